"""The request to cancel a run, and how it is stored. Needs the store only."""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import Fact, OpenRun
from smithers.engine.state import FINAL
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.ended import has_ended
from smithers.views.times import ago, now_ms

CANCEL: Final = "cancel"
"""Key of the request; a run has one."""


def request_cancel(store: Store, run: Run, by: str, reason: str | None = None) -> bool:
    """Whether this was the first request. Raises `WrongState` if the run has ended."""
    if run.status in FINAL:
        raise ended(store, run)
    fact = Fact("cancel", CANCEL, {"by": by, "reason": reason}, OpenRun())
    outcome = store.append(Append(run.run_id, (fact,))).outcomes[0]
    if outcome == "rejected":
        raise ended(store, store.run(run.run_id))
    return outcome == "stored"


def ended(store: Store, run: Run) -> WrongState:
    return has_ended(store, run, f"Run {run.run_id} cannot be cancelled", "cancel RUN")


def refuse_cancelled(store: Store, run: Run, kind: str) -> None:
    """Raises `WrongState` if the run is being cancelled. `kind` is what is asked for, as a participle."""
    for entry in store.entries_by_key(run.run_id, CANCEL):
        by, age = entry.data.get("by") or "somebody", ago(entry.at_ms, now_ms())
        text = f"Run {run.run_id} cannot be {kind}: {by} asked to cancel it {age}, and that is final."
        raise WrongState(text, run=run.run_id, status=run.status, by=entry.data.get("by"))
