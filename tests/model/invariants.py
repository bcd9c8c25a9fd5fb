"""What must hold in every state, and of every entry as it is stored."""

from __future__ import annotations

from .log import Log, View
from .planner import IN_FLIGHT
from .records import FINAL, Case, Entry, Frame, State, attempt_of


def broken(case: Case, before: State, after: State) -> str:
    """The first invariant that the move breaks; empty if none."""
    if after.log is not before.log:
        log = after.log.at(len(before.log))
        if log is not before.log:
            return "a frame or a fact changed: the log before is no prefix of the log after"
        for entry in after.log.after(len(log)):
            problem = _entry(log.view, entry)
            log = log.add(entry)
            if problem:
                return problem
    return _executions(after) or _announced(after)


def _entry(view: View, entry: Entry) -> str:
    if entry.key in view.keys:
        return f"key {entry.key} is stored twice"
    if view.final and entry.kind != "resumed":
        return f"{entry.key} is stored after the run was announced as {view.status}"
    if entry.epoch and entry.epoch != view.epoch:
        return f"{entry.key} is stored by a writer of epoch {entry.epoch} in epoch {view.epoch}"
    match entry.kind:
        case "claim":
            return _claim(view, entry)
        case "ended":
            return "" if entry.n in view.open else f"{entry.key} is stored for a closed command"
        case "frame":
            return _frame(view, entry.frame) if entry.frame else "a frame without a plan"
        case _:
            return ""


def _claim(view: View, entry: Entry) -> str:
    if entry.n not in view.open:
        return f"{entry.key} is stored for a closed command"
    place = f"{entry.node}:a{entry.attempt}"
    if place in view.ended:
        return f"{entry.key} is stored after the attempt ended"
    if any(view.ended.get(f"{entry.node}:a{a}") == "finished" for a in range(1, entry.attempt)):
        return f"{entry.key} is stored after the node finished"
    if view.cancelling(entry.n):
        return f"{entry.key} is stored after the cancel was planned"
    return ""


def _frame(view: View, frame: Frame) -> str:
    if frame.covers <= view.planned or frame.number != view.frames + 1:
        return f"frame {frame.number} covers {frame.covers} after one that covers {view.planned}"
    if [c.n for c in frame.commands] != list(range(len(view.commands) + 1, len(view.commands) + len(frame.commands) + 1)):
        return f"frame {frame.number} leaves a gap in the numbers"
    still = [c for c in view.commands if c.n in view.open and c.n not in frame.closed and c.kind in IN_FLIGHT]
    places = [c.node for c in still] + [c.node for c in frame.commands if c.kind in IN_FLIGHT]
    if len(places) != len(set(places)):
        return f"frame {frame.number} puts a node in flight twice"
    if frame.status in FINAL and places:
        return f"the run is announced as {frame.status} while {places[0]} is in flight"
    return ""


def _executions(state: State) -> str:
    return "a body ran again without a fault to excuse it" if state.excuses < 0 else ""


def _announced(state: State) -> str:
    """Once the run is final, a body may still run only if some delivery has been given up: it ran twice then."""
    if not state.log.view.final:
        return ""
    epoch = state.log.view.epoch
    live = {(a.d, a.n, a.delivery) for a in state.acts if a.phase == "running" and a.epoch == epoch}
    ran = dict(state.ran)
    for e in state.execs:
        if e.pc == "body" and e.epoch == epoch and (e.d, e.n, e.delivery) in live:
            if ran.get(attempt_of(state.log.view.command(e.cur)), 0) < 2:
                return f"the run is announced while the only body of command {e.cur} runs"
    return ""


def final(state: State) -> bool:
    """The run has ended and so has its workflow."""
    return state.log.view.final and not any(d.home == state.home for d in state.drivers)


def root(case: Case) -> Log:
    return Log(case, None, None).add(Entry("started", "started"))
