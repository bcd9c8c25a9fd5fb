"""What is said of a run that takes nothing any more, as it has ended."""

from __future__ import annotations

from smithers.errors import WrongState
from smithers.store.records import Run
from smithers.views.times import ago, now_ms


def how_it_ended(run: Run) -> str:
    """`it is finished, since 3m 20s ago, which is final`, or how it may be opened again."""
    since = f"it is {run.status}, since {ago(run.updated_ms, now_ms())}"
    opens = f"; `smithers up --resume {run.run_id}` opens it again"
    return since + (opens if run.status == "failed" else ", which is final")


def has_ended(run: Run, what: str) -> WrongState:
    """For what asks something of a run that has ended: `what` is a sentence's beginning."""
    return WrongState(f"{what}: {how_it_ended(run)}.", run=run.run_id, status=run.status)
