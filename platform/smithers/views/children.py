"""Runs that subflows have started: how they stand, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smithers.engine.entry import Json
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.store.interface import Store
from smithers.store.records import OpenCommandRow, Run
from smithers.views.approvals import pending
from smithers.views.asking import approval_wire, request_id
from smithers.views.nodes import named, shown_iteration
from smithers.views.signals import event_wire, open_events

WAITING = ("waiting-approval", "waiting-event")
AT_WORK = ("run", "child", "subflow", "timer")


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
    asked = [approval_wire(row) | {"requestId": request_id(run.run_id, row)} for row in pending(store, run.run_id)]
    return {
        "runId": run.run_id,
        "parentRunId": parent["run"],
        "nodeId": parent["node"],
        "iteration": shown_iteration(parent["iteration"]),
        "workflow": run.workflow,
        "status": run.status,
        "error": run.error,
        "pendingApprovals": asked,
        "pendingEvents": [event_wire(row) for row in open_events(store.nodes(run.run_id))],
    }


def child_of(store: Store, run_id: str, row: OpenCommandRow) -> Run | None:
    """The run that carries out an open command; None where it has not been started yet."""
    command = row.command
    key = f"claim:{command.node}:{command.iteration}:a{command.attempt}:1"
    launched = [entry for entry in store.entries_by_key(run_id, key) if entry.key == key]
    return store.run(launched[0].data["run"]) if launched else None


def waits_for_people(store: Store, run: Run) -> bool:
    """Whether nothing goes on, in this run or in those below, until somebody answers or sends an event."""
    if any(entry.kind in UNPLANNED_KINDS for entry in store.entries(run.run_id, after=run.planned)):
        return False
    at_work = [row for row in store.open_commands(run.run_id) if row.command.kind in AT_WORK]
    if any(row.command.kind != "subflow" for row in at_work):
        return False
    below = [child_of(store, run.run_id, row) for row in at_work]
    if not all(one is not None and waits_for_people(store, one) for one in below):
        return False
    return bool(below) or run.status in WAITING
