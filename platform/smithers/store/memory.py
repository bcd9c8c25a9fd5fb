"""The store in memory: the same code and the same SQL, on a SQLite database that lives as long as the object."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from smithers.store.database import Connection, Database
from smithers.store.group import GroupCommit
from smithers.store.opening import make_tables
from smithers.store.sql_store import SqlStore, wall_clock_ms
from smithers.store.sqlite import explain

T = TypeVar("T")
_HERE = Path(":memory:")


@cache
def _empty() -> tuple[sqlite3.Connection, threading.Lock]:
    """A database with tables and nothing in them, made once in a process."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    make_tables(connection)
    return connection, threading.Lock()


def _copy_of_the_empty_one(connection: sqlite3.Connection) -> None:
    """Copying pages takes a tenth of the time in which the schema is made."""
    empty, lock = _empty()
    with lock:
        empty.backup(connection)


class MemoryDatabase(Database):
    """One connection for everything: readers wait for writers."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _copy_of_the_empty_one(self._connection)
        self._lock = threading.RLock()
        self._group = GroupCommit(self)

    def write(self, work: Callable[[Connection], T], *, synced: bool = True) -> T:
        try:
            return self._group.write(work, synced=synced)
        except sqlite3.Error as error:
            raise explain(error, _HERE) from error

    def read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._lock:
                return work(self._connection)
        except sqlite3.Error as error:
            raise explain(error, _HERE) from error

    def close(self) -> None:
        self._group.close()
        with self._lock:
            self._connection.close()

    def begin(self, *, synced: bool) -> Connection:  # noqa: ARG002  there is no disk
        self._lock.acquire()
        try:
            self._connection.execute("BEGIN")
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def commit(self) -> None:
        self._connection.execute("COMMIT")
        self._lock.release()

    def rollback(self) -> None:
        self._connection.execute("ROLLBACK")
        self._lock.release()

    def is_open(self) -> bool:
        return self._connection.in_transaction


class MemoryStore(SqlStore):
    def __init__(self, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        super().__init__(MemoryDatabase(), now_ms=now_ms)
