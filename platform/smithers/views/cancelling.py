"""The request to cancel a run, and how it is stored. Needs the store only."""

from __future__ import annotations

from smithers.engine.entry import Fact, OpenRun
from smithers.engine.state import FINAL
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.times import ago, now_ms


def request_cancel(store: Store, run: Run, by: str, reason: str | None = None) -> bool:
    """Whether this was the first request. Raises `WrongState` if the run has ended."""
    if run.status in FINAL:
        raise has_ended(run)
    fact = Fact("cancel", "cancel", {"by": by, "reason": reason}, OpenRun())
    outcome = store.append(Append(run.run_id, (fact,))).outcomes[0]
    if outcome == "rejected":
        raise has_ended(store.run(run.run_id))
    return outcome == "stored"


def has_ended(run: Run) -> WrongState:
    text = f"Run {run.run_id} cannot be cancelled: it is {run.status}, since {ago(run.updated_ms, now_ms())}."
    return WrongState(text, run=run.run_id, status=run.status)
