"""Finds what got lost: one worker per project looks every few seconds whether every open run has somebody to drive it.

Nothing depends on it in the usual course: facts are followed by a bell, steps by their answers. It is the promise that
no run hangs when a bell was not heard, a process died between its fact and its bell, or Temporal lost everything. It
rings
    - runs with facts that no frame covers, unless they wait for code
    - open runs whose driver Temporal does not know
    - open runs with a command that nobody has begun for a while (a delivery which Temporal had given up may have
      planned it: nobody listens to its answer)
    - runs that are over while their driver is still open (the same)
A ring without need costs one fetch; each run is rung ever more rarely as long as nothing changes.

It also hands on the work of dead processes (`temporal/takeover.py`), and tells people that a run waits for them.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smithers.engine.fold import UNPLANNED_KINDS
from smithers.errors import SmithersError
from smithers.project import Project
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.temporal.order import TASK, driver_queue
from smithers.temporal.subflows import is_unheard
from smithers.temporal.takeover import take_over
from smithers.worker.notices import Notices

if TYPE_CHECKING:
    from smithers.temporal.client import Client

log = logging.getLogger(__name__)
EVERY_S: Final = 3.0
OLD_MS: Final = 5000
"""Younger trouble is probably being dealt with."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 300.0
CLOSED_LOOKED_AT: Final = 50
IN_FLIGHT: Final = ("run", "child", "subflow", "timer")


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
    look_for_code: Callable[[str, str], None]
    """Told of the digest and source of each open run."""
    notices: Notices = field(init=False)
    _rung: dict[str, Rung] = field(default_factory=dict[str, Rung])
    _lock: int | None = None
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.notices = Notices(self.project, self.store)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

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
        for run in runs:
            await asyncio.to_thread(self.look_for_code, run.digest, run.source)
        if not self.is_ours():
            return
        await take_over(self.project, self.client, [run.run_id for run in runs])
        driven = await self.driven()
        for run in runs:
            if await asyncio.to_thread(self.wants_ring, run, run.run_id in driven):
                await self.ring_again(run)
        await self.ring_closed(driven - {run.run_id for run in runs})
        await asyncio.to_thread(self.notices.look, runs)

    async def driven(self) -> set[str]:
        """Runs with an open driver. Temporal's index lags behind by a moment."""
        query = f"ExecutionStatus='Running' AND TaskQueue='{driver_queue(self.project.name)}'"
        found = self.client.list_workflows(query)
        return {workflow.id async for workflow in found if workflow.workflow_type != TASK}

    def wants_ring(self, run: Run, is_driven: bool) -> bool:
        if run.status == "waiting-code" and is_driven:
            return False
        old = time.time() * 1000 - run.updated_ms > OLD_MS
        later = self.store.entries(run.run_id, after=run.planned)
        if run.status != "waiting-code" and any(entry.kind in UNPLANNED_KINDS for entry in later):
            return time.time() * 1000 - run.updated_ms > EVERY_S * 1000 / 2
        return old and (not is_driven or self.is_forgotten(run))

    def is_forgotten(self, run: Run) -> bool:
        """Whether a command that is due has not been begun by anybody."""
        now_ms = time.time() * 1000
        for row in self.store.open_commands(run.run_id):
            command = row.command
            if command.kind == "stop" and is_unheard(self.store, run, command):
                return True
            if command.kind not in IN_FLIGHT or now_ms - command.due_ms < OLD_MS:
                continue
            claims = f"claim:{command.node}:{command.iteration}:a{command.attempt}:"
            if command.kind == "timer" or not self.store.entries_by_key(run.run_id, claims):
                return True
        return False

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
                run = await asyncio.to_thread(self.store.run, run_id)
                if time.time() * 1000 - run.updated_ms > OLD_MS:
                    await self.ring_again(run)
