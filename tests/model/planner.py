"""What comes next: a pure function from the folded state to a frame."""

from __future__ import annotations

from typing import NamedTuple

from .log import View
from .records import Case, Command, Frame, Node

IN_FLIGHT = frozenset({"run", "child", "timer"})


class Draft(NamedTuple):
    commands: tuple[Command, ...]
    closed: tuple[int, ...]
    waiting: tuple[str, ...]
    status: str


def plan(case: Case, view: View, owner: int) -> Frame | None:
    """None if every fact is covered, or the run has ended."""
    if not view.facts or view.final or view.broken:
        return None
    states = {node.name: progress(case, view, node) for node in case.flow}
    draft = _draft(case, view, states)
    return Frame(view.frames + 1, view.planned, view.seq, owner, *draft)


def progress(case: Case, view: View, node: Node) -> str:
    """idle, running, again (same attempt), retry (next attempt), finished, failed, cancelled, waiting."""
    if node.kind == "approval":
        return "finished" if node.name in view.done else "idle"
    mine = [c for c in view.commands if c.node == node.name]
    if not mine:
        return "idle"
    last = mine[-1]
    key = f"{node.name}:a{last.attempt}"
    if last.n in view.fired or view.ended.get(key) == "finished":
        return "finished"
    if view.ended.get(key) == "cancelled":
        return "cancelled"
    killed = view.died.get(key, 0) >= case.max_deaths
    if killed or view.ended.get(key) == "failed":
        limit = (1 if killed else node.attempts) + view.resumes
        return "retry" if last.attempt < limit else "failed"
    if last.n in view.settled:
        return "again"
    return "running" if last.n in view.open else "idle"


def _draft(case: Case, view: View, states: dict[str, str]) -> Draft:
    failing = "failed" in states.values() or "cancelled" in states.values()
    closed = _closed(case, view, stopping=failing or view.cancel)
    flying = [c for c in view.commands if c.n in view.open and c.n not in closed and c.kind in IN_FLIGHT]
    status, waiting, new = "running", (), ()
    if view.cancel:
        new = _cancels(view, flying)
        status = "running" if flying else "cancelled"
    elif failing:
        status = "running" if flying and case.rules.final_waits else "failed"
    elif all(state == "finished" for state in states.values()):
        status = "finished"
    else:
        new, waiting = _starts(case, view, states)
    if status != "running":
        new = (Command(len(view.commands) + 1, "fail" if status == "failed" else "complete"),)
    return Draft(new, closed, waiting, status)


def _closed(case: Case, view: View, *, stopping: bool) -> tuple[int, ...]:
    return tuple(
        c.n
        for c in view.commands
        if c.n in view.open
        and (
            (c.kind == "cancel" and c.target not in view.open)
            or (c.kind in ("complete", "fail") and case.rules.resume_closes)
            or (c.kind == "timer" and stopping)
            or (c.kind in ("run", "child") and view.deaths(c.n) >= case.max_deaths)
        )
    )


def _cancels(view: View, flying: list[Command]) -> tuple[Command, ...]:
    targets = [c for c in flying if not view.cancelling(c.n)]
    first = len(view.commands) + 1
    return tuple(Command(first + i, "cancel", c.node, c.attempt, c.n) for i, c in enumerate(targets))


def _starts(case: Case, view: View, states: dict[str, str]) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    waiting: list[str] = []
    new: list[Command] = []
    for node in case.flow:
        state = states[node.name]
        if state in ("finished", "running") or any(states[name] != "finished" for name in node.after):
            continue
        if node.kind == "approval":
            waiting.append(node.name)
            continue
        last = max((c.attempt for c in view.commands if c.node == node.name), default=0)
        attempt = last if state == "again" else last + 1
        kind = {"task": "run", "child": "child", "timer": "timer"}[node.kind]
        new.append(Command(len(view.commands) + len(new) + 1, kind, node.name, attempt, 0, node.burst))
    return tuple(new), tuple(waiting)
