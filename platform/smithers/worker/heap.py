"""How a worker process keeps its memory small: what is let go of goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Of <malloc.h>, for mallopt(3)."""
TRIM_BYTES: Final = 1024 * 1024
"""So much may stay unused at a heap's end."""
MMAP_BYTES: Final = 256 * 1024
"""Larger blocks are the system's own, and go back when they are freed."""
ARENAS: Final = 2


def stay_small() -> None:
    """Has glibc keep to its thresholds, which it raises otherwise with each large block that is freed, and to two
    arenas, where a process with many threads has eight for each processor. Nothing with another libc.

    Not for the programs of others that a worker is embedded in.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)
