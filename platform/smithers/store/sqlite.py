"""SQLite: one file, one writing connection per process, a few for reading.

`synchronous=FULL` in WAL mode: a commit that has returned is on disk. (Under `NORMAL`, for what need not be, it is in
the file, and goes to disk with the next one that is.) Python's own `sqlite3` is used directly: an
async driver costs nine tenths of the commits per second, SQLAlchemy's connection half of them.
A connection must not be carried over a fork: open the store in the process that uses it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smithers.errors import StoreDamaged, StoreError, StoreUnavailable
from smithers.store.database import Connection, Database
from smithers.store.group import GroupCommit
from smithers.store.pool import Pool
from smithers.store.turnstile import Turnstile, poll

T = TypeVar("T")
WAIT_S = 15.0
"""A writer waits this long for others before it gives up."""
READERS = 16
INCREMENTAL = 2
"""`auto_vacuum` of files that give back space when they are told to."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteDatabase(Database):
    """A file that exists and has the newest schema; see `opening.py`."""

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self._path = path
        self._writer = Writer(path, wait_s)
        self._group = GroupCommit(self._writer)
        self._readers: Pool[sqlite3.Connection] = Pool(
            lambda: connect(path, wait_s), sqlite3.Connection.close, size=READERS, wait_s=wait_s
        )

    def write(self, work: Callable[[Connection], T], *, synced: bool = True) -> T:
        try:
            return self._group.write(work, synced=synced)
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def read(self, work: Callable[[Connection], T]) -> T:
        try:
            connection = self._readers.take()
            try:
                return work(connection)
            finally:
                self._readers.give(connection)
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def give_back_space(self) -> int:
        """A file that an earlier version has made (without `auto_vacuum`) keeps them, and uses them again."""
        if self._pragma("auto_vacuum") == INCREMENTAL:
            while (before := self._pragma("freelist_count")) > 0:
                self.write(_vacuum, synced=False)
                if self._pragma("freelist_count") >= before:
                    break
        return self._pragma("freelist_count") * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return self.read(lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        self._group.close()
        self._readers.close()
        self._writer.close()


def _vacuum(connection: Connection) -> None:
    """A slice of it: others wait for the write lock."""
    connection.execute("PRAGMA incremental_vacuum(500)").fetchall()


class Writer:
    """The one connection that writes. Opened by the first write, so that who only reads does not pay for it."""

    def __init__(self, path: Path, wait_s: float) -> None:
        self._path = path
        self._wait_s = wait_s
        self._connection: sqlite3.Connection | None = None
        self._turnstile: Turnstile | None = None
        self._synced = True

    def begin(self, *, synced: bool) -> Connection:
        """Takes the turn and the write lock."""
        if self._connection is None:
            self._connection = connect(self._path, self._wait_s)
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._synced = True
        if synced != self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced
        if self._turnstile is None:
            self._turnstile = open_turnstile(self._path)
        if not self._turnstile.enter(self._wait_s):
            raise self._locked()
        try:
            if not poll(self._try_begin, self._wait_s):
                raise self._locked()
        finally:
            self._turnstile.leave()
        return self._connection

    def commit(self) -> None:
        assert self._connection is not None
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        assert self._connection is not None
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Closing rolls back too; the next write opens a new one.
            self._connection.close()
            self._connection = None

    def is_open(self) -> bool:
        return self._connection is not None and self._connection.in_transaction

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._turnstile is not None:
            self._turnstile.close()
            self._turnstile = None

    def _try_begin(self) -> bool:
        assert self._connection is not None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if primary_code(error) not in _BUSY:
                raise
            return False
        return True

    def _locked(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self._path} has been locked by another process for {self._wait_s:g} s. Nothing was stored. Is one "
            "stopped (Ctrl-Z, a debugger), or is the file open in a database tool with a transaction begun? End that, "
            "then try again."
        )


def connect(path: Path, wait_s: float) -> sqlite3.Connection:
    """A connection to a file that exists; it never makes one."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=wait_s, check_same_thread=False
    )
    try:
        tune(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def tune(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")


def open_turnstile(path: Path) -> Turnstile:
    try:
        return Turnstile(path.with_name(f"{path.name}-turnstile"))
    except OSError as error:
        raise StoreUnavailable(
            f"Cannot write next to {path}: {error.strerror}. Nothing was stored. Make the folder writable for you, or "
            "run as its owner."
        ) from error


def primary_code(error: sqlite3.Error) -> int:
    """Without the extended part. A `ProgrammingError` of the module itself has none: 0."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_read_only(path: Path) -> bool:
    """Whether the file is there, but this process may write nothing beside it, as SQLite must even to read."""
    effective = os.access in os.supports_effective_ids
    return path.exists() and not os.access(path.parent, os.W_OK, effective_ids=effective)


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """What SQLite says, as an error that says what to do."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_CANTOPEN and is_read_only(path):
        code = sqlite3.SQLITE_READONLY
    if code in _ADVICE:
        return StoreUnavailable(f"{path}: {error}. Nothing was stored. {_ADVICE[code]}", reason=str(error))
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(
            f"{path}: {error}. The file is damaged, or not a store. Restore it from a backup, with its -wal file.",
            reason=str(error),
        )
    if "closed" in str(error):
        return StoreUnavailable(f"{path}: {error}. The store has been closed in this process.", reason=str(error))
    return StoreError(f"{path}: {error}. This is a bug in Smithers.", reason=str(error))


_ADVICE = {
    sqlite3.SQLITE_BUSY: "Another process holds its lock. Try again; if it lasts, look for a process that is stopped.",
    sqlite3.SQLITE_LOCKED: "Another connection holds its lock. Try again.",
    sqlite3.SQLITE_FULL: "The disk, or your quota on it, is full. Make room, then try again.",
    sqlite3.SQLITE_READONLY: "The file or its folder is read-only for you; SQLite writes there also to read. Make both "
    "writable, or run as their owner.",
    sqlite3.SQLITE_IOERR: "The disk does not do it: full, failing, or over a limit. Look at it, then try again.",
    sqlite3.SQLITE_CANTOPEN: "Was the file moved or deleted, or may you not read it? Restore it, then start again.",
    sqlite3.SQLITE_PERM: "You may not open it. Run as its owner.",
    sqlite3.SQLITE_NOMEM: "There is no memory left.",
    sqlite3.SQLITE_INTERRUPT: "It was interrupted. Try again.",
}
