"""Looks after what runs in this process: deadlines, patience with bodies that ignore their flag, rendering that hangs.

The author's code runs on the steps' own threads, so somebody else has to keep the time.
"""

from __future__ import annotations

import threading
from typing import Final

from smithers.temporal.workshop import Workshop

EVERY_S: Final = 0.1
"""How late a deadline may be kept."""


class Watch:
    """One thread per process. It must do nothing that can block: no store, no author's code."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        for running in self._shop.table.every():
            running.look(self._shop.settings.grace_s)
        for plans in list(self._shop.codes.values()):
            plans.look()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            self.look()
