"""The request to cancel a run, and how it is stored. Needs the store only."""

from __future__ import annotations

from smithers.engine.entry import Fact, OpenRun
from smithers.engine.state import FINAL
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.ended import has_ended


def request_cancel(store: Store, run: Run, by: str, reason: str | None = None) -> bool:
    """Whether this was the first request. Raises `WrongState` if the run has ended."""
    if run.status in FINAL:
        raise ended(run)
    fact = Fact("cancel", "cancel", {"by": by, "reason": reason}, OpenRun())
    outcome = store.append(Append(run.run_id, (fact,))).outcomes[0]
    if outcome == "rejected":
        raise ended(store.run(run.run_id))
    return outcome == "stored"


def ended(run: Run) -> WrongState:
    return has_ended(run, f"Run {run.run_id} cannot be cancelled")
