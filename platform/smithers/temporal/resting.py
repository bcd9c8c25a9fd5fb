"""Large states are built without looking for garbage in them.

Reading the log of a long run makes a million objects, of which none is garbage. The collector would go through them
again and again, which takes as long as making them.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

_lock = threading.Lock()
_resting = 0


@contextmanager
def collector_rests() -> Generator[None]:
    """Nothing is collected, in the whole process, until the last thread has left such a block.

    Not for the author's code, which may never come back. Where the collector is off already, it stays off.
    """
    global _resting  # noqa: PLW0603
    with _lock:
        if not _resting and not gc.isenabled():
            ours = False
        else:
            gc.disable()
            _resting += 1
            ours = True
    try:
        yield
    finally:
        with _lock:
            if ours:
                _resting -= 1
                if not _resting:
                    gc.enable()
