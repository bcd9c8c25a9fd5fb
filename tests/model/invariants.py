"""What must hold in every state, and of every entry as it is stored."""

from __future__ import annotations

from tests.model import step
from tests.model.driver import home_of
from tests.model.log import View
from tests.model.planner import IN_FLIGHT
from tests.model.records import FINAL, Entry, Frame, State

MOST_DRIVERS = 12
"""Temporal runs. Each fault costs a few at most; more are a circle."""


def broken(before: State, after: State) -> str:
    """The first invariant that the move breaks; empty if none."""
    if after.log is not before.log:
        problem = appended(before, after)
        if problem:
            return problem
    if after.excuses < 0:
        return "a body runs again, and no fault explains it"
    if after.last_driver > MOST_DRIVERS:
        return "the run is started again and again"
    return announced(after)


def appended(before: State, after: State) -> str:
    log = after.log.at(len(before.log))
    if log is not before.log:
        return "the log before is no prefix of the log after: an entry has changed"
    for entry in after.log.after(len(log)):
        problem = judge(log.view, entry)
        if problem:
            return problem
        log = log.add(entry)
    return ""


def judge(view: View, entry: Entry) -> str:
    if entry.key in view.keys:
        return f"{entry.key} is stored twice"
    if view.final and entry.kind != "resumed":
        return f"{entry.key} is stored after the run was announced as {view.status}"
    if entry.epoch and entry.epoch != view.epoch:
        return f"{entry.key} is stored by a writer of epoch {entry.epoch} in epoch {view.epoch}"
    if entry.frame is not None:
        return judge_frame(view, entry.frame)
    if entry.kind == "claim":
        return judge_claim(view, entry)
    if entry.kind == "died" and view.claim(entry.n)[0::3] == (entry.nth, True) and entry.outcome != "body":
        return f"{entry.key} counts the death of a worker against a body that ran alone"
    if entry.kind == "decided" and entry.place in view.decided | view.denied:
        return f"{entry.key} answers what was answered"
    if entry.kind == "ended" and (entry.n not in view.open or entry.place in view.ended):
        return f"{entry.key} is stored for a closed command"
    return ""


def judge_claim(view: View, entry: Entry) -> str:
    node = view.command(entry.n).node
    if entry.n not in view.open:
        return f"{entry.key} is stored for a closed command"
    if any(place.rpartition(":")[0] == node and outcome == "finished" for place, outcome in view.ended.items()):
        return f"{entry.key} is stored after its node has finished"
    if entry.place in view.ended:
        return f"{entry.key} is stored after its attempt has ended"
    if view.cancelling(entry.n):
        return f"{entry.key} is stored after its cancel was planned"
    return ""


def judge_frame(view: View, frame: Frame) -> str:
    if frame.covers <= view.planned or frame.number != view.frames + 1:
        return f"frame {frame.number} covers {frame.covers}, after one that covers {view.planned}"
    first = len(view.commands) + 1
    if [c.n for c in frame.commands] != list(range(first, first + len(frame.commands))):
        return f"frame {frame.number} leaves a gap in the numbers"
    still = [c for c in view.commands if c.n in view.open and c.n not in frame.closed]
    nodes = [c.node for c in (*still, *frame.commands) if c.kind in IN_FLIGHT]
    if len(nodes) != len(set(nodes)):
        return f"frame {frame.number} puts a node in flight twice"
    if frame.status in FINAL and nodes:
        return f"the run is announced as {frame.status} while {nodes[0]} is in flight"
    return ""


def announced(state: State) -> str:
    """Once the run is over no body runs, but for one that had been given up."""
    view = state.log.view
    if not view.final or state.excuses:
        return ""
    ran = dict(state.ran)
    for e in state.execs:
        alive = e.pc == "body" and e.epoch == view.epoch and any(step.is_listened_to(a, e) for a in state.acts)
        if alive and ran.get(view.command(e.cur).place, 0) < 2:
            return f"the run is announced while the only body of command {e.cur} runs"
    return ""


def final(state: State) -> bool:
    """The run is over, and so is its workflow."""
    return state.log.view.final and home_of(state) is None
