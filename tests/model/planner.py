"""What comes next: a pure function from the folded state to a frame."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.log import View
from tests.model.records import Case, Command, Frame, Node

IN_FLIGHT = frozenset({"run", "child", "timer"})
KINDS = {"task": "run", "child": "child", "timer": "timer"}


class Draft(NamedTuple):
    commands: tuple[Command, ...]
    closed: tuple[int, ...]
    waiting: tuple[str, ...]
    status: str


def plan(case: Case, view: View, owner: int) -> Frame | None:
    """None if every fact is covered, the run has ended, or it waits for other code."""
    if not view.facts or view.final or view.broken:
        return None
    states = {node.name: progress(case, view, node) for node in case.flow}
    draft = _draft(case, view, states)
    commands = tuple(c._replace(owner=owner) for c in draft.commands)
    return Frame(view.frames + 1, view.seq, owner, *draft._replace(commands=commands))


def progress(case: Case, view: View, node: Node) -> str:
    """idle, running, again (same attempt), retry (next attempt), finished, failed, cancelled."""
    if node.kind == "approval":
        return "finished" if node.name in view.decided else "failed" if node.name in view.denied else "idle"
    last = next((c for c in reversed(view.commands) if c.node == node.name and c.kind in IN_FLIGHT), None)
    if last is None:
        return "idle"
    outcome = view.ended.get(last.place)
    if last.n in view.fired or outcome == "finished":
        return "finished"
    if outcome == "cancelled":
        return "cancelled"
    killed = view.deaths(last.n) >= case.max_deaths
    if killed or outcome == "failed":
        allowed = (1 if killed else node.attempts) + view.resumes
        return "retry" if last.attempt < allowed else "failed"
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
    """Open commands that need no carrying out any more."""

    def is_over(c: Command) -> bool:
        match c.kind:
            case "cancel":
                return c.target not in view.open
            case "timer":
                return stopping
            case "run" | "child":
                return view.deaths(c.n) >= case.max_deaths
            case _:
                return False

    return tuple(c.n for c in view.commands if c.n in view.open and is_over(c))


def _cancels(view: View, flying: list[Command]) -> tuple[Command, ...]:
    targets = [c for c in flying if not view.cancelling(c.n)]
    first = len(view.commands) + 1
    return tuple(Command(first + i, "cancel", c.node, c.attempt, c.n) for i, c in enumerate(targets))


def _starts(case: Case, view: View, states: dict[str, str]) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    waiting: list[str] = []
    new: list[Command] = []
    for node in case.flow:
        state = states[node.name]
        if state in {"finished", "running"} or any(states[name] != "finished" for name in node.after):
            continue
        if node.kind == "approval":
            waiting.append(node.name)
            continue
        last = max((c.attempt for c in view.commands if c.node == node.name), default=0)
        n, attempt = len(view.commands) + len(new) + 1, last if state == "again" else last + 1
        new.append(Command(n, KINDS[node.kind], node.name, attempt, burst=node.burst))
    return tuple(new), tuple(waiting)
