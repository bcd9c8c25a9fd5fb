"""Showing something again and again, and following a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from smithers.cli.output import Out
from smithers.cli.status import INTERRUPTED


def repeat(out: Out, interval_s: float, show: Callable[[], None]) -> int:
    """Until interrupted. On a terminal each look replaces the last; elsewhere they follow each other."""
    clears = sys.stdout.isatty() and not out.is_json
    try:
        while True:
            if clears:
                sys.stdout.write("\x1b[H\x1b[2J")
            show()
            time.sleep(interval_s)
    except KeyboardInterrupt:
        return INTERRUPTED


def poll(over: Callable[[], bool], interval_s: float = 0.2) -> Iterator[bool]:
    """Yields at every look whether it is the last one, which comes after `over` has become true."""
    while True:
        last = over()
        yield last
        if last:
            return
        time.sleep(interval_s)
