"""What is around the protocol: the server's deliveries, people, bells, the sweeper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.model import driver as drivers
from tests.model import step
from tests.model.log import View, append, is_valid
from tests.model.planner import IN_FLIGHT
from tests.model.records import Act, Case, Driver, Entry, Exec, Move, State


def moves(case: Case, state: State) -> Iterator[Move]:
    yield from server(case, state)
    yield from people(case, state)
    if state.ring:
        yield Move(("ring",), partial(drivers.ring, case, state))
    else:
        yield from sweeper(case, state)


# --- the server ------------------------------------------------------------------------------------------------------


def server(case: Case, state: State) -> Iterator[Move]:
    for act in state.acts:
        where = (act.n, act.delivery, act.d)
        if act.phase == "queued":
            yield Move(("deliver", *where), partial(deliver, case, state, act))
            for e in state.execs:
                if e.n == act.n and e.pc == "body" and may_attach(case, state, act, e):
                    yield Move(("attach", *where), partial(attach, state, act, e))
        elif act.phase == "running" and not any(step.is_listened_to(act, e) for e in state.execs):
            yield from gives_up(case, state, act)


def deliver(case: Case, state: State, act: Act) -> State:
    """A worker gets it, and looks. Only a zombie looks later: see `faults`."""
    return step.look(case, *arrives(state, act))


def arrives(state: State, act: Act) -> tuple[State, Exec]:
    state = drivers.schedule(drivers.without(state, act), act._replace(phase="running"))
    e = Exec(*act.place, act.delivery, act.gen, above=act.above, settle=act.settle, cancel=act.cancel, alone=act.alone)
    return state._replace(execs=tuple(sorted([*state.execs, e]))), e


def may_attach(case: Case, state: State, act: Act, e: Exec) -> bool:
    """The log comes first: the command is open, the delivery is of the run's epoch, and the newer one."""
    if (act.d < 0) != (e.d < 0) or e.cur not in state.log.view.open:
        return False
    newer = act.epoch == state.log.view.epoch and (act.gen, act.delivery) > (e.gen, e.delivery)
    return newer or not case.rules.attach_looks


def attach(state: State, act: Act, e: Exec) -> State:
    """The process that gets the delivery still runs the body: it answers for the new delivery now."""
    state = step.drop(drivers.schedule(drivers.without(state, act), act._replace(phase="running")), e)
    return step.put(state, e._replace(d=act.d, epoch=act.epoch, delivery=act.delivery, gen=act.gen))


def gives_up(case: Case, state: State, act: Act, kind: str = "") -> Iterator[Move]:
    """Temporal delivers again, or has no attempts left."""
    where = (act.n, act.delivery, act.d)
    if not act.cancelled:
        again = act._replace(phase="queued", delivery=act.delivery + 1)
        then = partial(drivers.schedule, drivers.without(state, act), again)
        yield Move(("again", *where), then, kind)
    yield Move(("lost", *where), partial(drivers.lost, case, state, act), kind)


# --- people ----------------------------------------------------------------------------------------------------------


def people(case: Case, state: State) -> Iterator[Move]:
    view = state.log.view
    for node in view.waiting:
        ask = view.ask(node) if case.rules.asked_anew else 1
        entry = Entry("decided", f"decided:{node}" + (f"#{ask}" if ask > 1 else ""), place=node)
        if entry.key not in view.keys:
            yield Move(("approve", node), partial(say, state, entry))
        if entry.key not in view.keys and state.faults.deny:
            left = state._replace(faults=state.faults.use("deny"))
            yield Move(("deny", node), partial(say, left, entry._replace(outcome="denied")), "fault")
    if view.broken:
        yield Move(("follow",), partial(say, state, Entry("follow", f"follow:{view.seq}")))
    for kind, key in (("cancel", "cancel"), ("resumed", f"resumed:{view.epoch + 1}")):
        fault = "resume" if kind == "resumed" else kind
        entry = Entry(kind, key)
        if getattr(state.faults, fault) and key not in view.keys and is_valid(view, entry):
            left = state._replace(faults=state.faults.use(fault))
            yield Move((fault,), partial(say, left, entry), "fault")


def say(state: State, entry: Entry) -> State:
    """Append, then ring."""
    return state._replace(log=append(state.log, entry)[0], ring=True)


# --- the sweeper -----------------------------------------------------------------------------------------------------


def sweeper(case: Case, state: State) -> Iterator[Move]:
    """It comes by when nothing else happens. Rings without need are a fault of their own (`spurious`)."""
    home = drivers.home_of(state)
    busy = home is not None and any(a.d == home.id for a in state.acts)
    reason = "" if busy else overdue(state.log.view, home)
    if {"sweep": case.rules.sweeper, "unclaimed": case.rules.sweep_unclaimed}.get(reason):
        yield Move((reason,), partial(drivers.ring, case, state), reason)


def overdue(view: View, home: Driver | None) -> str:
    if home is None or view.final:
        return "sweep" if (home is None) != view.final else ""
    if view.facts and not view.broken:
        return "sweep"
    forgotten = (n for n in view.open if view.command(n).kind in IN_FLIGHT and n not in view.claims)
    return "unclaimed" if any(n not in home.seen for n in forgotten) else ""
