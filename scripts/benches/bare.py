"""The other side of `compute`: what the disk allows. One three-row commit per task, fully synced, and nothing else."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

TABLES = (
    "CREATE TABLE facts (run INTEGER, seq INTEGER, data TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID",
    "CREATE TABLE frames (run INTEGER, seq INTEGER, data TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID",
    "CREATE TABLE commands (run INTEGER, n INTEGER, data TEXT, PRIMARY KEY (run, n)) WITHOUT ROWID",
)


def bare_loop(file: Path, count: int) -> float:
    """Tasks per second."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        for table in TABLES:
            connection.execute(table)
        begun = time.perf_counter()
        for number in range(count):
            data = json.dumps({"n": number, "output": {"number": number}})
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO facts VALUES (1, ?, ?)", (number, data))
            connection.execute("INSERT INTO frames VALUES (1, ?, ?)", (number, data))
            connection.execute("INSERT INTO commands VALUES (1, ?, ?)", (number, data))
            connection.execute("COMMIT")
        return count / (time.perf_counter() - begun)
    finally:
        connection.close()
