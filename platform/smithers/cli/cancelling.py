"""The request to cancel a run."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.cli.ringing import wake
from smithers.cli.session import Session
from smithers.cli.status import FINAL
from smithers.cli.times import ago, now_ms
from smithers.engine.entry import Fact, Json, OpenRun
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run


@dataclass(frozen=True, slots=True)
class Cancelled:
    run: Run
    stored: bool
    """False if it was asked before."""
    woken: bool

    def wire(self) -> Json:
        return {"runId": self.run.run_id, "requested": True, "repeated": not self.stored, "woken": self.woken}


def cancel_run(here: Session, run: Run, by: str, reason: str | None = None) -> Cancelled:
    """Raises `WrongState` if the run has ended."""
    stored = request_cancel(here.store, run, by, reason)
    return Cancelled(run, stored, wake(here.project, run.run_id))


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
