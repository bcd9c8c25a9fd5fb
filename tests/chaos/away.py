"""The store goes away for a while, in the middle of a run, and comes back."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager

from tests.chaos.place import Place
from tests.chaos.watching import Watched
from tests.servers.postgres import Cluster

GIVEN = {"rounds": 3, "chain": 10, "fan": 6, "flaky": 1, "asked": True, "alone": 1, "each_ms": 20, "long_s": 1.2}


@contextmanager
def locked(place: Place) -> Generator[None]:
    """Somebody holds the file's write lock."""
    with closing(sqlite3.connect(place.database, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def stopped(cluster: Cluster, mode: str = "immediate") -> Generator[None]:
    """PostgreSQL has crashed, or was shut down."""
    cluster.stop(mode)
    try:
        yield
    finally:
        cluster.start()


def away(
    place: Place,
    outage: Callable[..., AbstractContextManager[None]],
    seconds: float,
    *,
    before: Sequence[str] = (),
) -> list[str]:
    """Has an outage in the middle of a run's work, after short ones of the kinds in `before`. What must not be."""
    command = place.up("storm", "r", **GIVEN)
    with Watched(place, "r") as watched:
        for kind in before:
            watched.wait_for_progress(20)
            with outage(kind):
                pass
        watched.wait_for_line("r1-chain3")
        with outage():
            threading.Event().wait(seconds)  # the outage is what is tested
        back = time.monotonic()
        status = watched.wait_for_end(180)
        print(f"away for {seconds:g} s; then it took {time.monotonic() - back:.1f} s to the end of the run")
        left = command.wait(30)
        found = watched.problems(most_extra=0)
    return found if (status, left) == ("finished", 0) else [*found, f"{status}, {left}: {place.told()}"]
