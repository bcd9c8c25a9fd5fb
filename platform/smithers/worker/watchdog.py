"""Ends a process whose interpreter is stuck.

Code that holds the interpreter's lock for ever (a native function that never lets go, a catastrophic regular
expression) stops every thread: heartbeats, signals, shutdown. Nothing in Python can notice. `faulthandler` has a
thread below Python that can: it is told to write all stacks and end the process in so many seconds, and a Python
thread puts that off again and again while it gets to run. Who watches over the process starts another one, and the
death is counted against the task that caused it.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
from collections.abc import Callable
from typing import Final, TextIO

LIMIT_S: Final = 10.0


def watch(limit_s: float = LIMIT_S, file: TextIO | None = None) -> Callable[[], None]:
    """Starts the watchdog and returns what stops it. One per process: `faulthandler` has one timer.

    The process ends with status 1 and every thread's stack on `file` (standard error by default; it needs a real file
    descriptor, which must stay open).
    """
    stopped = threading.Event()
    target = sys.stderr if file is None else file

    def put_off() -> None:
        while not stopped.is_set():
            faulthandler.dump_traceback_later(limit_s, exit=True, file=target)
            stopped.wait(limit_s / 5)

    def stop() -> None:
        stopped.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()

    thread = threading.Thread(target=put_off, name="watchdog", daemon=True)
    thread.start()
    return stop
