"""The store goes away for a while, in the middle of a run, and comes back."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

from tests.chaos.place import Place
from tests.chaos.watching import Watched
from tests.servers.postgres import Cluster

GIVEN = {"rounds": 4, "chain": 10, "fan": 6, "flaky": 1, "asked": True, "alone": 1, "each_ms": 20, "long_s": 1.2}


@contextmanager
def locked(place: Place) -> Generator[None]:
    """Somebody holds the file's write lock."""
    with closing(sqlite3.connect(place.database, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def stopped(cluster: Cluster) -> Generator[None]:
    """PostgreSQL has crashed."""
    cluster.stop("immediate")
    yield
    cluster.start()


def away(place: Place, watched: Watched, outage: Callable[[], object], seconds: float) -> list[str]:
    """Has an outage in the middle of a run's work. Returns what must not be."""
    command = place.up("storm", watched.run, **GIVEN)
    watched.wait_for_line("r1-chain3")
    with outage():  # type: ignore[attr-defined]
        threading.Event().wait(seconds)  # the outage is what is tested
    back = time.monotonic()
    status = watched.wait_for_end(180)
    took_s = time.monotonic() - back
    found = watched.problems(most_extra=0)
    if status != "finished" or command.wait(30) != 0:
        found.append(f"the run is {status}, `up` said: {place.said(watched.run)[-2000:]}")
    print(f"away for {seconds:g} s; after it came back the run took {took_s:.1f} s to its end")
    return found
