"""Bytes on disk per task, in our store and in Temporal's files together: in bursts, and with an activity each.

What an empty project takes is left out: the growth over one long run, after a short one has made all tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from scripts.benches.measure import Outcome
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place
from scripts.benches.rounds import alone

BURST_TASKS, ISOLATED_TASKS = 5000, 1000
WARM = 100


def run(place: Place) -> list[Outcome]:
    measured: list[Outcome] = []
    for name, tasks, bursts in (("burst", BURST_TASKS, True), ("isolated", ISOLATED_TASKS, False)):
        with ours(place, "chain", bursts=bursts) as our:
            our.finished({"count": WARM})
            measured.append(alone(f"stored.{name}", place.rounds, growth(place, our, place.sized(tasks)), place.say))
    return measured


def growth(place: Place, our: Ours, count: int) -> Callable[[], float]:
    def sample() -> float:
        before = size_bytes(place.project.state)
        our.finished({"count": count})
        return (size_bytes(place.project.state) - before) / count

    return sample


def size_bytes(state: Path) -> int:
    """Of all databases, with what still stands in their write-ahead logs moved into them as far as that is possible."""
    files = [path for path in state.rglob("*") if path.is_file() and is_database(path)]
    for file in files:
        with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=5)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    logs = [file.with_name(f"{file.name}-wal") for file in files]
    return sum(file.stat().st_size for file in (*files, *logs) if file.exists())


def is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
