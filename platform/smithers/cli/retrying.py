"""The request to run a node again."""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import EndedRun, Entry, Fact, LogEnds, node_key
from smithers.engine.frame import NodeRow
from smithers.engine.rerun import Reset, reset_of
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run

MOST_TRIES: Final = 20
"""Times that others may write between what was read and what is stored."""


def retry(store: Store, run: Run, row: NodeRow, by: str, *, dependents: bool = True) -> Reset:
    """Stores that a node is to run again, and opens a failed run for it.

    Raises `WrongState` with the state found for what cannot run again; see `engine/rerun.py`.
    """
    key = node_key(row.node, row.iteration)
    for _ in range(MOST_TRIES):
        entries = store.entries(run.run_id)
        run = store.run(run.run_id)
        facts: tuple[Fact, ...] = ()
        if run.status == "failed":
            facts = (Fact("resumed", f"resumed:{run.epoch + 1}", {"by": by}, EndedRun(("failed",))),)
            entries = [*entries, Entry(len(entries) + 1, "resumed", facts[0].key, facts[0].data, run.updated_ms)]
        reset = reset_of(run.run_id, entries, key, dependents=dependents)
        nth = len(store.entries_by_key(run.run_id, f"retried:{key}:")) + 1
        retried = Fact("retried", f"retried:{key}:{nth}", {**reset.data, "by": by}, LogEnds(len(entries)))
        if store.append(Append(run.run_id, (*facts, retried))).outcomes[-1] == "stored":
            return reset
    raise WrongState(
        f"Run {run.run_id} goes on faster than it can be looked at. Pause it first: smithers pause {run.run_id}",
        run=run.run_id,
    )
