"""Threads for steps: they run the author's code, which may never come back, and are then left behind.

A `ThreadPoolExecutor` does not fit: the interpreter waits for its threads at exit. These are daemons.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Call = Callable[[], object]


class Errands:
    """Daemon threads that are used again. There are as many as calls run at the same time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[Call]] = []
        self._count = 0

    def start(self, call: Call) -> None:
        """The call must not raise."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox: SimpleQueue[Call] = SimpleQueue()
            self._count += 1
            name = f"{self._name}-{self._count}"
            threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True).start()
        inbox.put(call)

    def _serve(self, inbox: SimpleQueue[Call]) -> None:
        while True:
            inbox.get()()
            self._idle.append(inbox)
