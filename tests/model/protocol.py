"""The whole protocol: where it begins, and what may happen next."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import driver, faults, step, world
from tests.model.log import Log
from tests.model.records import Case, Entry, Exec, Faults, Move, State


def begin(case: Case, may: Faults) -> State:
    """A run has been created, and somebody is about to ring."""
    return State(Log(case).add(Entry("started", "started")), may)


def moves(case: Case, state: State) -> Iterator[Move]:
    """In an order that depends on nothing but the state."""
    yield from driver.moves(case, state)
    yield from step.moves(case, state)
    yield from world.moves(case, state)
    yield from faults.moves(case, state)


def take(case: Case, move: Move) -> State:
    return tidy(case, move.then())


def tidy(case: Case, state: State) -> State:
    """Leaves out what can have no effect any more, so that states which differ only there are one.

    These are deliveries that nobody listens to and that can store nothing, and the counts of attempts that have ended
    (no claim of these is valid, which is an invariant of its own).
    """
    execs = tuple(e for e in state.execs if matters(case, state, e))
    if len(execs) != len(state.execs):
        state = state._replace(execs=execs)
    if case.rules.look_up and state.ran:
        view = state.log.view
        over = view.ended.keys() - {view.command(e.cur).place for e in execs if e.pc == "body"}
        if over:
            state = state._replace(ran=tuple(x for x in state.ran if x[0] not in over))
    return state


def matters(case: Case, state: State, e: Exec) -> bool:
    if any(a.place == e.place for a in state.acts):
        return True
    view = state.log.view
    if e.pc == "body":
        return e.cur in view.open or any(a.n == e.n for a in state.acts)
    if e.d < 0 and e.pc == "plan":
        return e.mine > 0  # it will ring
    return not view.final and not step.stale(case, view, e)
