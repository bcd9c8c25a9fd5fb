"""What may go wrong, each as often as `Faults` says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.model import driver as drivers
from tests.model import step, world
from tests.model.log import append
from tests.model.records import Case, Entry, Exec, Move, State


def moves(case: Case, state: State) -> Iterator[Move]:
    yield from crashes(case, state)
    yield from bodies(state)
    yield from zombies(case, state)
    yield from bells(case, state)
    if not state.log.view.final:
        yield from lost_drivers(case, state)
        yield from new_epochs(state)


def excused(state: State, *execs: Exec) -> State:
    """Each body in flight, or about to begin, may run once more; so may the one a burst has gone on to by then."""
    begins = sum(e.pc == "body" or (e.pc == "look" and e.n > 0) or e.alone for e in execs)
    return state._replace(excuses=state.excuses + begins)


def crashes(case: Case, state: State) -> Iterator[Move]:
    """Of one process, or of all. One that dies before it has looked might as well not have begun."""
    if not state.faults.crash:
        return
    left = state._replace(faults=state.faults.use("crash"))
    for act in state.acts:
        if act.phase == "queued":
            yield from world.gives_up(case, left, act, "fault")
    for e in state.execs:
        yield Move(("crash", e.n, e.delivery, e.d), partial(crash, left, e), "fault")
    if len(state.execs) > 1:
        yield Move(("crash all",), partial(crash, left, *state.execs), "fault")


def crash(state: State, *execs: Exec) -> State:
    state = excused(state, *(e for e in execs if e.pc == "body"))
    return state._replace(execs=tuple(e for e in state.execs if e not in execs))


def bodies(state: State) -> Iterator[Move]:
    """Only those that run alone: of any other, it is its worker that dies."""
    if not state.faults.body:
        return
    left = state._replace(faults=state.faults.use("body"))
    for e in state.execs:
        if e.pc == "body" and state.log.view.claim(e.cur)[0::3] == (e.nth, True):
            dies = partial(step.body_dies, excused(left, e), e)
            yield Move(("body dies", e.n, e.delivery, e.d), dies, "fault")


def zombies(case: Case, state: State) -> Iterator[Move]:
    """Temporal gives a delivery up that lives on, in its body or even before it has looked."""
    if not state.faults.zombie:
        return
    left = state._replace(faults=state.faults.use("zombie"))
    for act in state.acts:
        if act.phase == "queued":
            late, e = world.arrives(left, act)
            yield from world.gives_up(case, excused(late, e), act._replace(phase="running"), "fault")
        for e in state.execs:
            if step.is_listened_to(act, e):
                yield from world.gives_up(case, excused(left, e), act, "fault")


def bells(case: Case, state: State) -> Iterator[Move]:
    if state.ring and state.faults.bell:
        silent = state._replace(ring=False, faults=state.faults.use("bell"))
        yield Move(("bell lost",), lambda: silent, "fault")
    if not state.ring and state.faults.spurious:
        left = state._replace(faults=state.faults.use("spurious"))
        yield Move(("spurious ring",), partial(drivers.ring, case, left), "fault")


def lost_drivers(case: Case, state: State) -> Iterator[Move]:
    home = drivers.home_of(state)
    if home is None:
        return
    if state.faults.can and not home.closing:
        yield Move(("continue as new",), partial(drivers.close_soon, case, state, home), "fault")
    if state.faults.terminate:
        mine = [e for e in state.execs if e.d == home.id]
        left = excused(state._replace(faults=state.faults.use("terminate")), *mine)
        yield Move(("terminate",), partial(drivers.close, left, home), "fault")


def new_epochs(state: State) -> Iterator[Move]:
    for name, distance in (("redrive", 1), ("restart", 0)):
        if getattr(state.faults, name):
            left = state._replace(faults=state.faults.use(name), home=state.home + distance)
            yield Move((name,), partial(new_epoch, left), "fault")


def new_epoch(state: State) -> State:
    epoch = state.log.view.epoch
    log, _ = append(state.log, Entry("epoch", f"epoch:{epoch + 1}"))
    fresh = [e for e in state.execs if e.epoch == epoch]
    return excused(state, *fresh)._replace(log=log, ring=True)
