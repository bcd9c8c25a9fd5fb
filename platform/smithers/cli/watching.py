"""Showing something again and again, and following a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from smithers.cli.output import Out
from smithers.cli.status import INTERRUPTED
from smithers.engine.state import FINAL
from smithers.errors import RunNotFound
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.store.successors import following


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


def watched(store: Store, run: Run, interval_s: float = 0.2) -> Iterator[Run]:
    """The run, at every look until after it has ended; then the one that goes on for it, if it has continued as new."""
    while True:
        for _ in poll(lambda run_id=run.run_id: store.run(run_id).status in FINAL, interval_s):
            yield run
        next_id = following(store, run.run_id)
        try:
            run = store.run(next_id)
        except RunNotFound:  # there is none, or it is deleted by now
            return
