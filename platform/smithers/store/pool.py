"""A few connections, lent one at a time to any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from smithers.errors import StoreUnavailable

C = TypeVar("C")


class Pool(Generic[C]):
    """Connections are opened when needed and kept. The last one given back is lent first: it is warm."""

    def __init__(self, connect: Callable[[], C], dispose: Callable[[C], None], *, size: int, wait_s: float) -> None:
        self._connect = connect
        self._dispose = dispose
        self._wait_s = wait_s
        self._size = size
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[C] = []
        self._closed = False

    def take(self) -> C:
        """To be given back with `give` or `drop`."""
        if self._closed:
            raise StoreUnavailable("The store has been closed in this process.")
        if not self._free.acquire(timeout=self._wait_s):
            raise StoreUnavailable(
                f"All {self._size} connections of this process have been busy for {self._wait_s:g} s: the database is "
                "slow, or a transaction hangs. Try again."
            )
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._connect()
        except BaseException:
            self._free.release()
            raise

    def give(self, connection: C) -> None:
        if self._closed:
            self._dispose(connection)
        else:
            self._idle.append(connection)
        self._free.release()

    def drop(self, connection: C) -> None:
        """Gives back a connection that is broken."""
        self._dispose(connection)
        self._free.release()

    def forget_idle(self) -> None:
        """Closes those that nobody uses."""
        while self._idle:
            try:
                self._dispose(self._idle.pop())
            except IndexError:
                return

    def close(self) -> None:
        """Connections that are lent are closed when they come back."""
        self._closed = True
        self.forget_idle()
