"""Says "still alive" for every step of this process, and asks whether bodies should stop.

The two have different homes. Heartbeats go out through the SDK, so they are said on its event loop, which runs none of
the author's code. Whether a run is cancelled is read from the store, which may block, so a thread does it. The loop and
the thread sleep through anything the author's code does except holding the interpreter's lock, and of that the
watchdog takes care.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smithers.engine.state import FINAL
from smithers.errors import NodeNotFound, RunNotFound, StoreError
from smithers.store.interface import Store
from smithers.temporal.order import Order
from smithers.temporal.running import BodyTable, Running
from smithers.temporal.takeover import Ledger

log = logging.getLogger(__name__)
PERIOD_S: Final = 1.0
YOUNG_S: Final = 1.5
"""Most steps are over sooner and never need a heartbeat; Temporal waits 5 s for the first."""
STOP_STATES: Final = ("cancelling", "cancelled")


@dataclass(slots=True, eq=False)
class Beat:
    context: contextvars.Context
    beat: Callable[[], None]
    slot: int
    began: float


class Heartbeats:
    """Used on one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._beats: dict[int, Beat] = {}

    def begin(self, order: Order, task_token: bytes, beat: Callable[[], None]) -> object:
        entry = Beat(contextvars.copy_context(), beat, self._ledger.put(order.run, task_token), time.monotonic())
        self._beats[id(entry)] = entry
        return entry

    def end(self, key: object) -> None:
        entry = self._beats.pop(id(key))
        self._ledger.clear(entry.slot)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            now = time.monotonic()
            for entry in list(self._beats.values()):
                if now - entry.began >= YOUNG_S:
                    entry.context.run(entry.beat)


class CancelLook:
    """A thread that reads, for every body, whether it should stop: the store's state of the task is the cancel flag."""

    def __init__(self, store: Store, table: BodyTable) -> None:
        self._store = store
        self._table = table
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancel-look", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            for running in self._table.every():
                if not running.flag.is_set and time.monotonic() - running.began >= PERIOD_S / 2:
                    self.look(running)

    def look(self, running: Running) -> None:
        command = running.command
        try:
            node = self._store.node(running.run_id, command.node, command.iteration)
            if node.state in STOP_STATES or self._store.run(running.run_id).status in FINAL:
                running.stop("cancel")
        except (NodeNotFound, RunNotFound):
            running.stop("cancel")
        except StoreError:
            log.warning("cannot see whether run %s is cancelled: the store is away", running.run_id)
