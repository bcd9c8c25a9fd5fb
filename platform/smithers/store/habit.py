"""What people have decided before, over all runs of a workflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from smithers.engine.entry import Entry, Fact
from smithers.engine.frame import NodeRow
from smithers.engine.habit import approval, in_a_row, wanted
from smithers.store.interface import Store

RUNS_LOOKED_AT: Final = 500
"""The newest ones; what people approved in older ones is forgotten."""


def habitual(store: Store, run_id: str, rows: Sequence[NodeRow]) -> tuple[Fact, ...]:
    """Answers to those of these questions that people have approved often enough in a row."""
    asked = [row for row in rows if wanted(row)]
    if not asked:
        return ()
    workflow = store.run(run_id).workflow
    return tuple(approval(row) for row in asked if streak(store, workflow, row.node) >= wanted(row))


def streak(store: Store, workflow: str, node: str) -> int:
    """How often people have approved this node in a row, whichever run and pass it was in."""
    found = sorted(decisions(store, workflow, node), key=lambda entry: entry.at_ms, reverse=True)
    return in_a_row(entry.data for entry in found)


def decisions(store: Store, workflow: str, node: str) -> Iterator[Entry]:
    for run in store.runs(workflow=workflow, limit=RUNS_LOOKED_AT):
        for entry in store.entries_by_key(run.run_id, f"decided:{node}:"):
            if entry.kind == "decided" and entry.data["node"] == node:
                yield entry
