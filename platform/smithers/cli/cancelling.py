"""A run that is cancelled by a command: the request is stored, and its worker told."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.cli.session import Session
from smithers.engine.entry import Json
from smithers.store.records import Run
from smithers.views.cancelling import request_cancel
from smithers.worker.ringing import wake


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
