"""Threads for code of the author's: it may never come back, and then the thread is left behind.

A `ThreadPoolExecutor` does not fit: the interpreter waits for its threads at exit. These are daemons. A hand-over costs
about 15 microseconds each way, which a burst pays twice per task.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The code did not come back in time. It still runs, in a thread nobody waits for."""


class Errand(Generic[T]):
    """One call on another thread."""

    __slots__ = ("_error", "_turnstile", "_value", "call", "is_done")

    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call
        self.is_done = False
        self._turnstile = threading.Lock()
        """Held until it is done: one lock is a third of the cost of an `Event`."""
        self._turnstile.acquire()
        self._value: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = contextvars.Context().run(self.call)
        except BaseException as error:  # noqa: BLE001  SystemExit of the author's ends his task, not the worker
            self._error = error
        self.is_done = True
        self._turnstile.release()

    def wait(self, timeout_s: float = -1) -> bool:
        """Whether it is done. A negative timeout waits for ever. May be called from several threads."""
        if self.is_done:
            return True
        if self._turnstile.acquire(timeout=timeout_s if timeout_s < 0 else min(timeout_s, threading.TIMEOUT_MAX)):
            self._turnstile.release()
        return self.is_done

    def result(self) -> T:
        """Only once it is done. Raises what the call raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class Errands:
    """Daemon threads that are used again. There are as many as calls run at the same time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[Errand[object]]] = []
        self._count = 0

    def start(self, call: Callable[[], T]) -> Errand[T]:
        errand = Errand(call)
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox: SimpleQueue[Errand[object]] = SimpleQueue()
            self._count += 1
            name = f"{self._name}-{self._count}"
            threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True).start()
        inbox.put(errand)  # type: ignore[arg-type]
        return errand

    def within(self, limit_s: float, call: Callable[[], T]) -> T:
        """Calls and returns, or raises `Overdue`."""
        errand = self.start(call)
        if not errand.wait(limit_s):
            raise Overdue
        return errand.result()

    def _serve(self, inbox: SimpleQueue[Errand[object]]) -> None:
        while True:
            inbox.get().run()
            self._idle.append(inbox)
