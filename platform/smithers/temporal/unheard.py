"""A worker rings only so many drivers at a time that it has not heard of yet.

Everybody who wakes a run wants it to go on at once, but a thousand bells rung together only make a queue: each driver's
workflow task then waits for seconds in the queue of the process that has the driver in memory, the server gives up on
that process and hands the driver, with its whole history, to any other. That doubles the work at the worst moment.
(Measured with 250 runs that wait for the same event: half of the workflow tasks timed out, and each run took twice
as long; a longer timeout instead would have every driver of a worker that died wait for that long.)

So whoever rings has to find a place first. It is free again when the driver has begun to fetch in this process, or
after half a second: the driver may live elsewhere. A driver that is waiting to be heard is rung without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

AT_ONCE: Final = 32
UNHEARD_S: Final = 0.5


class Unheard:
    """The drivers that have been rung and not begun to fetch. Used on one event loop."""

    def __init__(self, at_once: int = AT_ONCE, unheard_s: float = UNHEARD_S) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._unheard_s = unheard_s
        self._runs: dict[str, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def place(self, run_id: str) -> AsyncGenerator[None]:
        """Waits until the run may be rung. A bell that fails gives its place back."""
        if run_id not in self._runs:
            await self._places.acquire()
            self._note(run_id)
        try:
            yield
        except BaseException:
            self.heard(run_id)
            raise

    def _note(self, run_id: str) -> None:
        if run_id in self._runs:  # somebody else has rung it while we waited
            self._places.release()
            return
        later = asyncio.get_running_loop().call_later
        self._runs[run_id] = later(self._unheard_s, self.heard, run_id)

    def heard(self, run_id: str) -> None:
        """The run's driver fetches."""
        waiting = self._runs.pop(run_id, None)
        if waiting is not None:
            waiting.cancel()
            self._places.release()

    def __len__(self) -> int:
        return len(self._runs)
