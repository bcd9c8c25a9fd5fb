"""Processes that write to one SQLite file take turns.

SQLite alone lets a process that commits in a tight loop take the write lock again and again, while others sleep in
its busy handler for seconds. So a writer first takes the turnstile (a file lock), then the write lock, and leaves the
turnstile at once. Who has just written and wants more finds the turnstile held by the one that waits, and is next.

Both locks are polled, not waited for in the kernel: a process that is stopped (Ctrl-Z, a debugger) while it holds one
must make the others fail with a message after a while, not hang.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_QUICK_S = 0.0001
_SLOW_S = 0.002
_QUICK_FOR_S = 1.0


def poll(attempt: Callable[[], bool], wait_s: float) -> bool:
    """Tries until it works or the time is over. Quick at first: a turn lasts a fraction of a millisecond."""
    if attempt():
        return True
    began = time.monotonic()
    while (passed := time.monotonic() - began) < wait_s:
        time.sleep(_QUICK_S if passed < _QUICK_FOR_S else _SLOW_S)
        if attempt():
            return True
    return False


class Turnstile:
    """Not for threads: within a process a lock stands in front of it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self, wait_s: float) -> bool:
        """Whether it was taken in time."""
        return poll(self._try, wait_s)

    def leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
