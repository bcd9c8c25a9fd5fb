"""What SQLite refuses becomes an error that says what to do; a lock that is not given up does not hang anybody."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from smithers.engine.entry import Fact
from smithers.errors import StoreDamaged, StoreError, StoreUnavailable
from smithers.store import open_store
from smithers.store.database import Connection
from smithers.store.pool import Pool
from smithers.store.records import Append, NewRun
from smithers.store.sql_store import SqlStore
from smithers.store.sqlite import SqliteDatabase, explain
from smithers.store.turnstile import Turnstile

NOBODY = 65534


def new(run_id: str) -> NewRun:
    return NewRun(run_id, "ship", {}, "d1", "/flow.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "smithers.db"
    open_store(f"sqlite:///{path}", create=True).close()
    return path


@pytest.fixture
def store(path: Path) -> Generator[SqlStore]:
    """One that gives up soon."""
    store = SqlStore(SqliteDatabase(path, wait_s=0.2))
    yield store
    store.close()


@pytest.fixture
def other(path: Path) -> Generator[sqlite3.Connection]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield other
    other.close()


def test_a_lock_that_another_program_keeps_is_reported(store: SqlStore, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match=r"locked by another process for 0\.2 s.*Ctrl-Z"):
        store.create_run(new("a"))

    other.execute("ROLLBACK")
    assert store.create_run(new("a")).head == 1


def test_a_turnstile_that_a_stopped_process_keeps_is_reported(store: SqlStore, path: Path) -> None:
    held = os.open(f"{path}-turnstile", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)

    with pytest.raises(StoreUnavailable, match="locked by another process"):
        store.create_run(new("a"))

    os.close(held)
    store.create_run(new("a"))


@pytest.mark.feature("data.tx.single")
def test_a_writer_waits_for_its_turn(path: Path, other: sqlite3.Connection) -> None:
    store = SqlStore(SqliteDatabase(path, wait_s=10))
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.1, other.execute, ("COMMIT",)).start()

    assert store.create_run(new("a")).head == 1
    store.close()


def test_readers_do_not_wait_for_a_writer(store: SqlStore, other: sqlite3.Connection) -> None:
    store.create_run(new("a"))
    other.execute("BEGIN IMMEDIATE")

    began = time.monotonic()
    assert [run.run_id for run in store.runs()] == ["a"]
    assert time.monotonic() - began < 0.1
    other.execute("ROLLBACK")


def test_a_read_only_database_is_reported(store: SqlStore) -> None:
    store.create_run(new("a"))
    database = store._database
    assert isinstance(database, SqliteDatabase)
    assert database._writer._connection is not None
    database._writer._connection.execute("PRAGMA query_only = 1")

    with pytest.raises(StoreUnavailable, match=r"readonly.*writable"):
        store.create_run(new("b"))


def test_a_folder_that_is_read_only_is_told_also_by_who_only_reads() -> None:
    with TemporaryDirectory() as made:  # pytest's own folders are hidden from other users
        folder = Path(made)
        path = folder / "smithers.db"
        open_store(f"sqlite:///{path}", create=True).close()
        path.chmod(0o644)
        folder.chmod(0o555)
        try:
            with acting_as_somebody(), pytest.raises(StoreUnavailable, match=r"folder is read-only for you.*to read"):
                open_store(f"sqlite:///{path}", create=False).runs()
        finally:
            folder.chmod(0o755)


@contextmanager
def acting_as_somebody() -> Generator[None]:
    """Without the rights of root, who may write anywhere."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_a_file_that_was_deleted_is_reported(store: SqlStore, path: Path) -> None:
    for file in path.parent.glob("smithers.db*"):
        file.unlink()

    with pytest.raises(StoreUnavailable, match="moved or deleted"):
        store.runs()
    assert not path.exists()


def test_commits_are_flushed(store: SqlStore) -> None:
    store.create_run(new("a"))
    database = store._database
    assert isinstance(database, SqliteDatabase)
    connection = database._writer._connection
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_commit_that_need_not_be_flushed_is_not_and_the_next_one_is(store: SqlStore, path: Path) -> None:
    store.create_run(new("a"))
    database = store._database
    assert isinstance(database, SqliteDatabase)
    seen: list[int] = []

    def look(connection: Connection) -> None:
        seen.append(connection.execute("PRAGMA synchronous").fetchone()[0])

    database.write(look, synced=False)
    database.write(look, synced=False)
    database.write(look)
    assert seen == [1, 1, 2]

    store.append(Append("a", (Fact("retried", "x"),), synced=False))
    other = open_store(f"sqlite:///{path}", create=False)
    assert [entry.key for entry in other.entries("a")] == ["started", "x"]
    other.close()


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable, "Make room"),
        (sqlite3.SQLITE_BUSY, StoreUnavailable, "Try again"),
        (sqlite3.SQLITE_IOERR | 12 << 8, StoreUnavailable, "disk"),
        (sqlite3.SQLITE_CORRUPT, StoreDamaged, "backup"),
        (sqlite3.SQLITE_CONSTRAINT, StoreError, "bug"),
    ],
)
def test_each_refusal_says_what_to_do(code: int, kind: type[StoreError], advice: str) -> None:
    error = sqlite3.OperationalError("it does not work")
    error.sqlite_errorcode = code

    found = explain(error, Path("/p/smithers.db"))

    assert type(found) is kind
    assert "/p/smithers.db: it does not work" in found.message
    assert advice in found.message


def test_a_turnstile_lets_one_through(tmp_path: Path) -> None:
    first, second = Turnstile(tmp_path / "t"), Turnstile(tmp_path / "t")

    assert first.enter(0)
    assert not second.enter(0.01)
    first.leave()
    assert second.enter(0)
    first.close()
    second.close()


def test_a_pool_reuses_limits_and_forgets() -> None:
    made: list[int] = []
    gone: list[int] = []

    def connect() -> int:
        made.append(len(made))
        return made[-1]

    pool = Pool(connect, gone.append, size=2, wait_s=0.01)
    one, two = pool.take(), pool.take()
    with pytest.raises(StoreUnavailable, match="All 2 connections"):
        pool.take()
    pool.give(one)
    assert pool.take() == one
    pool.drop(one)
    pool.give(two)
    pool.close()

    assert (made, gone) == ([0, 1], [0, 1])
    with pytest.raises(StoreUnavailable, match="closed"):
        pool.take()


@pytest.mark.feature("data.tx.immediate")
def test_a_write_transaction_holds_the_lock_from_its_beginning(store: SqlStore, other: sqlite3.Connection) -> None:
    """Before it has written anything."""
    refused: list[sqlite3.Error] = []

    def work(_: object) -> None:
        other.execute("PRAGMA busy_timeout = 0")
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            refused.append(error)

    store._database.write(work)

    assert "locked" in str(refused[0])


@pytest.mark.feature("data.event.startseq")
def test_positions_go_on_after_a_restart(path: Path) -> None:
    for _ in range(3):
        store = SqlStore(SqliteDatabase(path))
        if not store.runs():
            store.create_run(new("a"))
        head = store.run("a").head
        store.append(Append("a", (Fact("retried", f"k{head}", {}),)))
        store.close()
    store = SqlStore(SqliteDatabase(path))
    assert [entry.seq for entry in store.entries("a")] == [1, 2, 3, 4]
    store.close()
