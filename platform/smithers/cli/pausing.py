"""Pauses: a fact that keeps a run from beginning anything, and the fact that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smithers.engine.entry import Entry, Fact, Json, Kind, OpenRun
from smithers.engine.state import FINAL, PAUSED
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.cancelling import CANCEL, refuse_cancelled
from smithers.views.ended import has_ended
from smithers.views.times import ago, iso, now_ms

MOST_TRIES: Final = 10
"""Races with others who pause and unpause the same run."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Who has paused a run, when and why."""

    by: str
    note: str
    since_ms: int

    def wire(self) -> Json:
        return {"by": self.by, "note": self.note or None, "since": iso(self.since_ms)}

    @property
    def told(self) -> str:
        return f"by {self.by}, {ago(self.since_ms, now_ms())}" + (f": {self.note}" if self.note else "")


def pause_of(store: Store, run: Run) -> Pause | None:
    """The pause that a run is in; None where it is in none."""
    if run.status != PAUSED:
        return None
    newest = pauses(store, run)[-1]
    return Pause(newest.data.get("by") or "somebody", newest.data.get("note") or "", newest.at_ms)


def pauses(store: Store, run: Run) -> list[Entry]:
    return store.entries_by_key(run.run_id, "paused:")


def pause_run(store: Store, run: Run, by: str, note: str | None = None) -> bool:
    """Whether it was not paused before. Raises `WrongState` if the run has ended, or is being cancelled: a pause would
    keep that from happening."""
    return put(store, run, "paused", {"by": by, "note": note})


def unpause_run(store: Store, run: Run, by: str, note: str | None = None) -> None:
    """Raises `WrongState` if the run is not paused, or has ended."""
    if not put(store, run, "unpaused", {"by": by, "note": note}):
        now = store.run(run.run_id).status
        text = f"Run {run.run_id} is not paused: it is {now}. `smithers why {run.run_id}` says what it waits for."
        raise WrongState(text, run=run.run_id, status=now)


def put(store: Store, run: Run, kind: Kind, data: Json) -> bool:
    """Stores the nth `paused`, or the `unpaused` that ends it. False where the run is so already."""
    begins = kind == "paused"
    for _ in range(MOST_TRIES):
        if run.status in FINAL:
            raise has_ended(store, run, f"Run {run.run_id} cannot be {kind}", f"{'pause' if begins else 'unpause'} RUN")
        if begins:
            refuse_cancelled(store, run, kind)
        if begins == (run.status == PAUSED):
            return False
        nth = len(pauses(store, run)) + begins
        fact = Fact(kind, f"{kind}:{nth}", data, OpenRun(paused=not begins, unless=CANCEL if begins else ""))
        if store.append(Append(run.run_id, (fact,))).outcomes == ("stored",):
            return True
        run = store.run(run.run_id)
    raise WrongState(f"Others pause and unpause run {run.run_id} all the time. Try again.", run=run.run_id)
