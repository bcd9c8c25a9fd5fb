"""Runs that subflows have started: how they stand, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from smithers.engine.entry import Json
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.state import ASKED, PAUSED, QUEUED
from smithers.store.interface import Store
from smithers.store.records import OpenCommandRow, Run
from smithers.store.successors import current, root_launched
from smithers.views.approvals import pending
from smithers.views.asking import request_wire
from smithers.views.nodes import named, shown_iteration
from smithers.views.signals import event_wire, open_events

FOR_PEOPLE: Final = (*ASKED, "waiting-code", PAUSED)
"""Statuses of a run that only people bring on. Of several that hold at once, the first one is said."""
WAITS: Final = (*FOR_PEOPLE, QUEUED, "waiting-timer")
AT_WORK: Final = ("run", "child", "subflow", "timer", "turn")


@dataclass(frozen=True, slots=True)
class ChildRun:
    run: Run
    depth: int
    """From 1: how many runs are between it and the one that is looked at."""

    @property
    def node(self) -> str:
        """The node of the run above that it stands for."""
        parent: Json = self.run.parent or {}
        return named(parent["node"], parent["iteration"])


def children(store: Store, run_id: str, depth: int = 1) -> Iterator[ChildRun]:
    """All runs below, oldest first, each before its own children."""
    for run in store.children(run_id):
        yield ChildRun(run, depth)
        yield from children(store, run.run_id, depth + 1)


def child_wire(store: Store, child: ChildRun) -> Json:
    """A child run with what it asks people and waits for."""
    run, parent = child.run, child.run.parent or {}
    asked = [request_wire(store, run.run_id, row) for row in pending(store, run.run_id)]
    return {
        "runId": run.run_id,
        "parentRunId": parent["run"],
        "nodeId": parent["node"],
        "iteration": shown_iteration(parent["iteration"]),
        "workflow": run.workflow,
        "status": seen_status(store, run),
        "error": run.error,
        "pendingApprovals": asked,
        "pendingEvents": [event_wire(row) for row in open_events(store.nodes(run.run_id))],
    }


def child_of(store: Store, run_id: str, row: OpenCommandRow) -> Run | None:
    """The run that carries out an open command, the last of its chain; None where it has not been started yet."""
    command = row.command
    key = f"claim:{command.node}:{command.iteration}:a{command.attempt}:1"
    launched = [entry for entry in store.entries_by_key(run_id, key) if entry.key == key]
    return current(store, run_id, root_launched(launched[0].data)) if launched else None


def at_work(store: Store, run: Run) -> list[OpenCommandRow]:
    return [row for row in store.open_commands(run.run_id) if row.command.kind in AT_WORK]


IDLE: Final = {PAUSED: ("timer", "turn"), "waiting-code": ("turn",)}
"""Kinds of commands that bring a run of such a status no further."""
MENDS: Final = ("follow", "resumed", "redriven")
"""Facts that have code rendered again which did not render."""


def is_due(store: Store, run: Run) -> bool:
    """Whether something was stored that a plan will act upon: not before a pause is over, nor by code that does not
    render."""
    later = store.entries(run.run_id, after=run.planned) if run.status != PAUSED else []
    failed = max((entry.seq for entry in later if entry.kind == "render_failed"), default=0)
    return any(entry.seq > failed and entry.kind in (MENDS if failed else UNPLANNED_KINDS) for entry in later)


def waits_for_people(store: Store, run: Run) -> bool:
    """Whether nothing goes on, in this run or in those below, until somebody answers, sends an event, mends code or
    ends a pause."""
    if is_due(store, run):
        return False
    idle = IDLE.get(run.status, ())
    rows = [row for row in at_work(store, run) if row.command.kind not in idle]
    if any(row.command.kind != "subflow" for row in rows):
        return False
    below = [child_of(store, run.run_id, row) for row in rows]
    if not all(one is not None and waits_for_people(store, one) for one in below):
        return False
    return bool(below) or run.status in FOR_PEOPLE


def as_seen(store: Store, run: Run) -> Run:
    """The run with the status that people see. In the store a run is `running` while child runs carry out its nodes;
    where all that is in flight are children that wait, it waits for what they wait for."""
    status = seen_status(store, run)
    return run if status == run.status else replace(run, status=status)


def seen_status(store: Store, run: Run) -> str:
    if run.status != "running" or is_due(store, run):
        return run.status
    rows = at_work(store, run)
    below_it = [child_of(store, run.run_id, row) for row in rows if row.command.kind == "subflow"]
    if not below_it or any(row.command.kind in ("run", "child") for row in rows):
        return run.status
    below = {run.status if one is None or is_due(store, one) else seen_status(store, one) for one in below_it}
    if not below.issubset(WAITS):
        return run.status
    own = {row.state for row in store.nodes(run.run_id)}
    return next(status for status in WAITS if status in below | own)
