"""What is said of a run that takes nothing any more, as it has ended."""

from __future__ import annotations

from typing import Final

from smithers.engine.state import CONTINUED, FINAL
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.store.successors import last_of
from smithers.views.times import ago, now_ms

RUN: Final = "RUN"


def how_it_ended(store: Store, run: Run, instead: str) -> str:
    """`it is finished, since 3m 20s ago, which is final`, or how it may be opened again. Of a run that has continued as
    new, the last one that goes on for it, with the command about that one: `instead`, in which RUN stands for it."""
    age = ago(run.updated_ms, now_ms())
    if run.status == CONTINUED:
        return f"it has continued as new {age}, {goes_on(last_of(store, run), run, instead)}"
    opens = f"; `smithers up --resume {run.run_id}` opens it again"
    return f"it is {run.status}, since {age}" + (opens if run.status == "failed" else ", which is final")


def goes_on(now: Run, before: Run, instead: str) -> str:
    if now.run_id == before.run_id:
        return "and the runs that went on for it are deleted"
    standing = f", which is {now.status}" if now.status in FINAL else ""
    return f"as {now.run_id}{standing}: `smithers {instead.replace(RUN, now.run_id, 1)}`"


def has_ended(store: Store, run: Run, what: str, instead: str) -> WrongState:
    """For what asks something of a run that has ended: `what` is a sentence's beginning; see `how_it_ended`."""
    return WrongState(f"{what}: {how_it_ended(store, run, instead)}.", run=run.run_id, status=run.status)
