"""The whole protocol: all moves of a state."""

from __future__ import annotations

from collections.abc import Iterator

from . import driver, step, world
from .invariants import broken, final, root
from .records import Case, Exec, Faults, Move, State, attempt_of

__all__ = ["begin", "broken", "final", "moves"]


def begin(case: Case, faults: Faults) -> State:
    """A run has been created, and somebody is about to ring."""
    return State(root(case), faults)


def moves(case: Case, state: State) -> Iterator[Move]:
    for move in (*driver.moves(case, state), *step.moves(case, state), *world.moves(case, state)):
        yield move._replace(after=tidy(case, move.after))


def tidy(case: Case, state: State) -> State:
    """Leaves out what can have no effect any more, so that states which differ only there are one.

    These are deliveries that nobody listens to and that can store nothing, and the counts of attempts that have ended
    (no claim of these is valid, which is an invariant of its own).
    """
    view = state.log.view
    execs = tuple(e for e in state.execs if _matters(case, state, e))
    if len(execs) != len(state.execs):
        state = state._replace(execs=execs)
    if case.rules.look_up and state.ran:
        over = view.ended.keys() - {attempt_of(view.command(e.cur)) for e in execs if e.pc == "body"}
        if over:
            state = state._replace(ran=tuple(x for x in state.ran if x[0] not in over))
    return state


def _matters(case: Case, state: State, e: Exec) -> bool:
    if any((a.d, a.n, a.epoch) == (e.d, e.n, e.epoch) for a in state.acts):
        return True
    view = state.log.view
    match e.pc:
        case "body":
            return e.cur in view.open or any(a.n == e.n for a in state.acts)
        case "look":
            return not view.final and not step.stale(case, view, e)
        case _:
            return step.due(case, view, e)
