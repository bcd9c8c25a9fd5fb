"""Finds what got lost: one worker per project looks every few seconds whether every open run has somebody to drive it.

Nothing depends on it in the usual course: facts are followed by a bell, steps by their answers. It is the promise that
no run hangs when a bell was not heard, a process died between its fact and its bell, or Temporal lost everything. It
rings
    - runs with facts that no frame covers, unless they wait for code or are paused
    - open runs whose driver Temporal does not know
    - open runs with a command that nobody has begun for a while (a delivery which Temporal had given up may have
      planned it: nobody listens to its answer)
    - runs that are over while their driver is still open (the same)
    - drivers of runs that the store does not know (it was restored, or they were deleted): they end then
A ring without need costs one fetch; each run is rung ever more rarely as long as nothing changes.

It also hands on the work of dead processes (`temporal/takeover.py`), tells people of questions and failures, and
deletes runs that ended longer ago than the project's `retention` says and copies of code that none needs any more.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.state import PAUSED
from smithers.errors import RunNotFound, SmithersError
from smithers.project import Project
from smithers.store.deleting import Old, prune
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.temporal import drivers
from smithers.temporal.subflows import is_unheard
from smithers.temporal.takeover import take_over
from smithers.views.times import parse_span
from smithers.worker.configuration import RetentionSection, configured
from smithers.worker.notices import Notices
from smithers.worker.unused import remove_unused

if TYPE_CHECKING:
    from smithers.temporal.client import Client

log = logging.getLogger(__name__)
EVERY_S: Final = 3.0
OLD_MS: Final = 5000
"""Younger trouble is probably being dealt with."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 300.0
CLOSED_LOOKED_AT: Final = 50
LAST_TOLD_S: Final = 3.0
"""How long a worker that ends goes on to tell people what is new. Its bodies are drained after that."""
PRUNE_EVERY_S: Final = 600.0
PRUNED_AT_ONCE: Final = 20
IN_FLIGHT: Final = ("run", "child", "subflow", "timer")
Why = Literal["", "unplanned", "undriven", "forgotten"]
"""Facts that no frame covers; a driver that Temporal does not know; a due command that nobody has begun."""


@dataclass(slots=True)
class Rung:
    """When a run was rung last, and what it looked like."""

    head: int
    at: float
    pause_s: float = FIRST_PAUSE_S


@dataclass(slots=True, eq=False)
class Sweeper:
    project: Project
    store: Store
    client: Client
    ring: Callable[[str], Awaitable[None]]
    look_at: Callable[[Sequence[Run]], None]
    """Told of all open runs, in every round and in every worker: some may want code that nobody holds."""
    notices: Notices = field(init=False)
    retention: RetentionSection = field(init=False)
    _pruned: float = -math.inf
    """When old runs were looked for last."""
    _rung: dict[str, Rung] = field(default_factory=dict[str, Rung])
    _lock: int | None = None
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        values = configured(self.project).values
        about = values.notices
        self.notices = Notices(self.project, self.store, about.command, about.url, about.events)
        self.retention = values.retention

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self.tell_before_it_ends)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def tell_before_it_ends(self) -> None:
        """Who leaves because a run waits for a person only, as `up` does, is often the only one who could tell."""
        if not self.notices.is_wanted or not self.is_ours():
            return
        try:
            self.notices.look(self.store.due_runs(), LAST_TOLD_S)
        except SmithersError as error:  # the store is away: the next worker tells
            log.warning("people were not told: %s", error)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.sweep()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  a store or a server that is away: the next round comes
                log.warning("sweeping failed, trying again: %s", error)

    def is_ours(self) -> bool:
        """One process per project sweeps: the one that holds the lock."""
        if self._lock is None:
            self.project.state.mkdir(exist_ok=True)
            lock = os.open(self.project.state / "sweeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    async def sweep(self) -> None:
        runs = await asyncio.to_thread(self.store.due_runs)
        await asyncio.to_thread(self.look_at, runs)
        if not self.is_ours():
            return
        await asyncio.to_thread(self.store.admit)
        await take_over(self.project, self.client, [run.run_id for run in runs])
        driven = await self.driven()
        for run in runs:
            if await asyncio.to_thread(self.wants_ring, run, run.run_id in driven):
                await self.ring_again(run)
        await self.ring_closed(driven - {run.run_id for run in runs})
        await asyncio.to_thread(self.notices.look, runs)
        await asyncio.to_thread(self.prune)

    def prune(self) -> None:
        """Deletes runs that the project does not want to keep: some at a time, so that a round stays short.

        With them go copies of code that none needs any more.
        """
        if not self.retention.older_than or time.monotonic() - self._pruned < PRUNE_EVERY_S:
            return
        before_ms = round(time.time() * 1000) - parse_span(self.retention.older_than, "retention.older_than")
        gone = prune(self.store, Old(before_ms, tuple(self.retention.statuses)), most=PRUNED_AT_ONCE)
        if len(gone) < PRUNED_AT_ONCE:
            self._pruned = time.monotonic()
        removed = remove_unused(self.project, self.store)
        if removed:
            log.info("removed %d copies of code that no open run needs", len(removed))
        if gone:
            self.store.give_back_space()
            log.info("deleted %d runs that ended more than %s ago", len(gone), self.retention.older_than)

    async def driven(self) -> set[str]:
        """Runs with an open driver. Temporal's index lags behind by a moment."""
        return await drivers.open_drivers(self.client, self.project.name)

    def wants_ring(self, run: Run, is_driven: bool) -> bool:
        return bool(why_ring(self.store, run, is_driven=is_driven))

    async def ring_again(self, run: Run) -> None:
        """Rings, but ever more rarely while nothing comes of it."""
        last, now = self._rung.get(run.run_id), time.monotonic()
        if last is not None and last.head == run.head:
            if now - last.at < last.pause_s:
                return
            self._rung[run.run_id] = Rung(run.head, now, min(2 * last.pause_s, LONGEST_PAUSE_S))
        else:
            self._rung[run.run_id] = Rung(run.head, now)
        log.info("ringing run %s: nobody seems to be at it", run.run_id)
        with suppress(SmithersError):
            await self.ring(run.run_id)

    async def ring_closed(self, driven: set[str]) -> None:
        """Runs that are over, and whose driver has not noticed."""
        for run_id in sorted(driven)[:CLOSED_LOOKED_AT]:
            with suppress(SmithersError):
                try:
                    run = await asyncio.to_thread(self.store.run, run_id)
                except RunNotFound:
                    await self.ring_unknown(run_id)
                    continue
                if time.time() * 1000 - run.updated_ms > OLD_MS:
                    await self.ring_again(run)

    async def ring_unknown(self, run_id: str) -> None:
        """Its driver looks for the run, does not find it, and ends."""
        last, now = self._rung.get(run_id), time.monotonic()
        if last is None or now - last.at >= last.pause_s:
            self._rung[run_id] = Rung(0, now, LONGEST_PAUSE_S)
            await drivers.ring_only(self.client, run_id)


def why_ring(store: Store, run: Run, *, is_driven: bool, old_ms: int = OLD_MS) -> Why:
    """Why an open run ought to be rung; empty where it ought not. It reads the store only.

    Trouble younger than `old_ms` is probably being dealt with.
    """
    if run.status == PAUSED or (run.status == "waiting-code" and is_driven):
        return ""
    age_ms = time.time() * 1000 - run.updated_ms
    later = store.entries(run.run_id, after=run.planned)
    if run.status != "waiting-code" and any(entry.kind in UNPLANNED_KINDS for entry in later):
        return "unplanned" if age_ms > min(old_ms, EVERY_S * 1000 / 2) else ""
    if age_ms <= old_ms:
        return ""
    return "undriven" if not is_driven else "forgotten" if is_forgotten(store, run) else ""


def is_forgotten(store: Store, run: Run) -> bool:
    """Whether a command that is due has not been begun by anybody."""
    now_ms = time.time() * 1000
    for row in store.open_commands(run.run_id):
        command = row.command
        if command.kind == "stop" and is_unheard(store, run, command):
            return True
        if command.kind not in IN_FLIGHT or now_ms - command.due_ms < OLD_MS:
            continue
        claims = f"claim:{command.node}:{command.iteration}:a{command.attempt}:"
        if command.kind == "timer" or not store.entries_by_key(run.run_id, claims):
            return True
    return False
