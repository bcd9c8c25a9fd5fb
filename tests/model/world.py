"""What is outside the protocol: the server's deliveries, people, bells, the sweeper, and faults."""

from __future__ import annotations

from collections.abc import Iterator

from . import driver as drivers
from . import step
from .log import append
from .records import Act, Case, Driver, Entry, Exec, Move, State


def moves(case: Case, state: State) -> Iterator[Move]:
    yield from _server(case, state)
    yield from _people(state)
    yield from _bells(case, state)
    yield from _process_faults(case, state)
    yield from _run_faults(case, state)


# --- the server ------------------------------------------------------------------------------------------------------


def _server(case: Case, state: State) -> Iterator[Move]:
    for act in state.acts:
        if act.phase == "queued":
            yield Move(("deliver", act.n, act.delivery, act.d), deliver(case, state, act))
            for e in state.execs:
                if e.n == act.n and e.pc == "body" and _newer(state, act, e):
                    yield Move(("attach", act.n, act.delivery, act.d), attach(state, act, e))
        if act.phase == "running" and not running(state, act):
            yield from gives_up(case, state, act, fault=False)


def running(state: State, act: Act) -> bool:
    return any((e.d, e.n, e.delivery, e.epoch) == (act.d, act.n, act.delivery, act.epoch) for e in state.execs)


def _newer(state: State, act: Act, e: Exec) -> bool:
    """A delivery attaches only if it is the newer one, of the same kind, and of the run's epoch: the log comes first."""
    same = (act.d < 0) == (e.d < 0) and e.cur in state.log.view.open
    return same and act.epoch == state.log.view.epoch and (act.gen, act.delivery) > (e.gen, e.delivery)


def replace(state: State, act: Act, new: Act) -> State:
    return drivers.schedule(drivers.without(state, act), new)


def deliver(case: Case, state: State, act: Act) -> State:
    """A worker gets it, and looks. Only a zombie looks later: see `_process_faults`."""
    return step.look(case, *_arrives(state, act))


def _arrives(state: State, act: Act) -> tuple[State, Exec]:
    state = replace(state, act, act._replace(phase="running"))
    e = Exec(act.d, act.n, act.delivery, act.epoch, act.gen, above=act.above, settle=act.settle, cancel=act.cancel)
    return state._replace(execs=tuple(sorted((*state.execs, e)))), e


def attach(state: State, act: Act, e: Exec) -> State:
    """The process that gets the delivery still runs the body: it answers for the new delivery now."""
    state = replace(state, act, act._replace(phase="running"))
    execs = [x for x in state.execs if x is not e]
    e = e._replace(d=act.d, delivery=act.delivery, epoch=act.epoch, gen=act.gen)
    return state._replace(execs=tuple(sorted((*execs, e))))


def gives_up(case: Case, state: State, act: Act, *, fault: bool) -> Iterator[Move]:
    """Temporal delivers again, or has no attempts left."""
    if not act.cancelled:
        again = act._replace(phase="queued", delivery=act.delivery + 1)
        yield Move(("again", act.n, act.delivery, act.d), replace(state, act, again), fault)
    yield Move(("lost", act.n, act.delivery, act.d), drivers.lost(case, state, act), fault)


# --- people and bells ------------------------------------------------------------------------------------------------


def _people(state: State) -> Iterator[Move]:
    view = state.log.view
    for node in view.waiting:
        log, outcome = append(state.log, Entry("decided", f"decided:{node}", node=node))
        if outcome == "stored":
            yield Move(("approve", node), state._replace(log=log, ring=True))
    if view.broken:
        log, _ = append(state.log, Entry("follow", f"follow:{len(state.log)}"))
        yield Move(("follow",), state._replace(log=log, ring=True))
    if state.faults.cancel:
        log, outcome = append(state.log, Entry("cancel", "cancel"))
        left = state.faults._replace(cancel=state.faults.cancel - 1)
        if outcome == "stored":
            yield Move(("cancel",), state._replace(log=log, ring=True, faults=left), True)
    if state.faults.resume:
        log, outcome = append(state.log, Entry("resumed", f"resumed:{view.epoch + 1}"))
        left = state.faults._replace(resume=state.faults.resume - 1)
        if outcome == "stored":
            yield Move(("resume",), state._replace(log=log, ring=True, faults=left), True)


def _bells(case: Case, state: State) -> Iterator[Move]:
    if state.ring:
        yield Move(("ring",), drivers.ring(case, state._replace(ring=False)))
        if state.faults.bell:
            left = state.faults._replace(bell=state.faults.bell - 1)
            yield Move(("bell lost",), state._replace(ring=False, faults=left), True)
        return
    view = state.log.view
    home = next((d for d in state.drivers if d.home == state.home), None)
    busy = home is not None and any(a.d == home.id for a in state.acts)
    if state.faults.spurious:
        left = state.faults._replace(spurious=state.faults.spurious - 1)
        yield Move(("spurious ring",), drivers.ring(case, state._replace(faults=left)), True)
    if case.rules.sweeper and not busy and _overdue(case, state, home):
        yield Move(("sweep",), drivers.ring(case, state))
    if case.rules.lease_sweeper and home is not None:
        for n in sorted(view.open):
            if view.command(n).kind == "child" and _abandoned(state, home, n):
                yield Move(("lease", n), _expire(state, n))


def _overdue(case: Case, state: State, home: Driver | None) -> bool:
    view = state.log.view
    if home is None or view.final:
        return (home is None) != view.final
    if view.facts and not view.broken:
        return True
    unclaimed = any(n not in view.claims and n not in home.seen for n in view.open)
    return case.rules.sweep_unclaimed and unclaimed


def _abandoned(state: State, home: Driver, n: int) -> bool:
    """Nobody works on the child, nobody watches it, and the driver is not about to start it."""
    return n in home.seen and n not in home.watched and not any(a.d == -state.home and a.n == n for a in state.acts)


def _expire(state: State, n: int) -> State:
    command = state.log.view.command(n)
    nobody = Exec(0, 0, 0, 0, 0)
    log = state.log
    nth = log.view.claims.get(n, step.NO_CLAIM)[0]
    if nth:
        log, _ = append(log, step.fact("died", command, nobody, nth=nth))
    log, _ = append(log, step.fact("settled", command, nobody))
    return state._replace(log=log, ring=True)


# --- faults ----------------------------------------------------------------------------------------------------------


def excused(state: State, *execs: Exec) -> State:
    """Each body in flight, or about to begin, may run once more; so may one that a burst goes on to meanwhile."""
    return state._replace(excuses=state.excuses + sum(e.pc in ("body", "look") and e.n > 0 for e in execs))


def _process_faults(case: Case, state: State) -> Iterator[Move]:
    if state.faults.crash:
        left = state.faults._replace(crash=state.faults.crash - 1)
        for act in state.acts:
            if act.phase == "queued":
                yield from gives_up(case, state._replace(faults=left), act, fault=True)
        for e in state.execs:
            after = step.drop(excused(state, e) if e.pc == "body" else state, e)
            yield Move(("crash", e.n, e.delivery, e.d), after._replace(faults=left), True)
        if len(state.execs) > 1:
            bodies = [e for e in state.execs if e.pc == "body"]
            yield Move(("crash all",), excused(state, *bodies)._replace(execs=(), faults=left), True)
    if state.faults.zombie:
        left = state.faults._replace(zombie=state.faults.zombie - 1)
        for act in state.acts:
            e = next((e for e in state.execs if (e.d, e.n, e.epoch, e.delivery) == (act.d, act.n, act.epoch, act.delivery)), None)
            if act.phase == "queued":
                late, e = _arrives(state._replace(faults=left), act)
                yield from gives_up(case, excused(late, e), act._replace(phase="running"), fault=True)
            elif act.phase == "running" and e is not None:
                yield from gives_up(case, excused(state, e)._replace(faults=left), act, fault=True)


def _run_faults(case: Case, state: State) -> Iterator[Move]:
    faults, view = state.faults, state.log.view
    if view.final:
        return
    home = next((d for d in state.drivers if d.home == state.home), None)
    if faults.can and home is not None and not home.closing:
        left = faults._replace(can=faults.can - 1)
        closing = home._replace(closing=True)
        yield Move(("continue as new",), drivers.go(case, state._replace(faults=left), closing), True)
    if faults.terminate and home is not None:
        left = faults._replace(terminate=faults.terminate - 1)
        mine = [e for e in state.execs if e.d == home.id]
        yield Move(("terminate",), drivers.close(excused(state, *mine), home)._replace(faults=left), True)
    for name, move in (("redrive", 1), ("restart", 0)):
        budget: int = getattr(faults, name)
        if budget:
            log, _ = append(state.log, Entry("epoch", f"epoch:{view.epoch + 1}"))
            fresh = [e for e in state.execs if e.epoch == view.epoch]
            after = excused(state, *fresh)._replace(log=log, ring=True, home=state.home + move)
            yield Move((name,), after._replace(faults=faults._replace(**{name: budget - 1})), True)
