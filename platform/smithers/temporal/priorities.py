"""A run's priority and its fair share, as Temporal keeps them: on the driver's start, and inherited by all it starts.

Both matter only while tasks wait for a free worker. Of those that wait, a lower `priority_key` is handed out first; of
equal ones, the runs take turns (`fairness_key`), so that a thousand tasks of one run hold up no other. What has begun
is never stopped for it, and a task that finds a free worker at once waits for nobody.

A server orders by priority from 1.28 on and takes turns where `matching.enableFairness` is set, which the local server
has (`server/launch.py`). One that lacks either hands out in the order of arrival; nothing else changes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from smithers.engine.entry import Json
from smithers.engine.state import NORMAL
from smithers.store.records import Run

LONGEST_KEY: Final = 64
"""Bytes of a fairness key that the server takes."""
SHARES: Final = "shares"
"""The option of a child run that names the run somebody has started: with it, and all below it, it shares its turns."""


def priority_of(run: Run) -> Json:
    """The fields of temporalio's `Priority`."""
    return {"priority_key": run.options.get("priority", NORMAL), "fairness_key": fairness_key(run)}


def fairness_key(run: Run) -> str:
    top: str = run.options.get(SHARES) or run.run_id
    return top if len(top.encode()) <= LONGEST_KEY else sha256(top.encode()).hexdigest()
