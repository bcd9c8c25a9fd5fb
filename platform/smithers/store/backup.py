"""Copies of a SQLite store: made while it is in use, and put back.

A copy is a snapshot of one moment, however many write meanwhile. It is one file, whole by itself, and becomes visible
under its name only when it was read back and found sound.

Putting one back sets every run back to what the copy says. What was stored since is forgotten, but not what happened:
Temporal may still have drivers, and children, that are ahead of the log. So every run's epoch is raised, also that of
runs that are over, for they may be resumed; whatever works for another epoch stores nothing any more and ends. The new
epoch is the time (`fresh_epoch`), not the copy's epoch and one more: the same copy may be put back twice, and a driver
of the first time must not be taken for one of the second.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smithers.errors import InputError, StoreDamaged, StoreError, StoreMissing
from smithers.store import ddl, sql
from smithers.store.opening import is_older, open_url
from smithers.store.sqlite import WAIT_S, connect, explain, open_turnstile

EPOCHS_BEGIN_S: Final = 1_735_689_600
"""2025-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Restored:
    redriven: tuple[str, ...]
    """Open runs, by id: a worker drives them from their logs."""
    epoch: int
    """At least; a run that was ahead of it has its own and one more."""
    before: Path | None
    """Where the store is kept that was replaced."""


def fresh_epoch(now_s: float) -> int:
    """Higher than any that a driver may still have, since others are raised one by one: seconds since 2025."""
    return round(now_s) - EPOCHS_BEGIN_S


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite store; None for a store on a server."""
    return Path(url.partition("://")[2].removeprefix("/")) if url.startswith("sqlite") else None


def back_up(store: Path, file: Path) -> int:
    """Copies the store to a file that is not there yet; its size in bytes. Any number of processes may work on."""
    if not store.exists():
        raise StoreMissing(f"{store} is not there: nothing has been run in this project.")
    if file.exists():
        raise InputError(f"{file} is there already. Nothing was written. Give another name.")
    with _explained(store), _fresh(file) as fresh:
        _copy(store, fresh)
        check(fresh)
        fresh.replace(file)
    return file.stat().st_size


def check(file: Path) -> str:
    """The schema of a store that is sound. Raises `StoreMissing`, `StoreDamaged`, `StoreVersion`, `InputError`."""
    if not file.is_file():
        raise StoreMissing(f"There is no file {file}.")
    with _explained(file), closing(connect(file, WAIT_S)) as connection:
        found = connection.execute("PRAGMA integrity_check(3)").fetchall()
        if found != [("ok",)]:
            why = "; ".join(str(row[0]) for row in found)
            raise StoreDamaged(f"{file} is damaged: {why}. Nothing was changed. Take another copy.", reason=why)
        try:
            row = connection.execute(sql.REVISION).fetchone()
        except sqlite3.OperationalError:
            raise InputError(f"{file} is a SQLite database, but no store of runs. Nothing was changed.") from None
    revision = row[0] if row else ddl.REVISIONS[0]
    is_older(revision, str(file))
    return revision


def restore(store: Path, file: Path, by: str, now_s: float | None = None) -> Restored:
    """Puts a copy in the store's place. No worker may be at work on it. Raises as `check` does."""
    check(file)
    now_s = time.time() if now_s is None else now_s
    epoch = fresh_epoch(now_s)
    store.parent.mkdir(parents=True, exist_ok=True)
    with _fresh(store) as fresh, _explained(file):
        _copy(file, fresh)
        redriven = _raise_epochs(fresh, epoch, by)
        before = _set_aside(store, now_s)
        _put(fresh, store)
    return Restored(tuple(redriven), epoch, before)


def _raise_epochs(file: Path, epoch: int, by: str) -> list[str]:
    store = open_url(f"sqlite:///{file}", create=False)
    try:
        return store.raise_epochs(epoch, by)
    finally:
        store.close()


def _set_aside(store: Path, now_s: float) -> Path | None:
    if not store.exists():
        return None
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    before = store.with_name(f"{store.name}.before-{at}")
    with suppress(sqlite3.Error):
        _copy(store, before)
        return before
    # Not even readable: it goes aside as it is, with what belongs to it.
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            store.with_name(store.name + suffix).replace(before.with_name(before.name + suffix))
    return before


def _put(fresh: Path, store: Path) -> None:
    """In one transaction, where there is a store: who writes at that moment waits, and writes to the new one."""
    if not store.exists():
        fresh.replace(store)
        return
    turnstile = open_turnstile(store)
    try:
        turnstile.enter(WAIT_S)
        with closing(connect(fresh, WAIT_S)) as source, closing(connect(store, WAIT_S)) as target:
            source.backup(target)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        turnstile.close()


def _copy(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(connect(source, WAIT_S)) as whole, closing(connect(target, WAIT_S)) as copy:
        whole.backup(copy)
        # One file, whole by itself. A store that is opened is put back into WAL mode.
        copy.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _fresh(beside: Path) -> Generator[Path]:
    """A name next to a file, for what is not finished. Nothing is left of it."""
    fresh = beside.with_name(f"{beside.name}.{os.getpid()}")
    try:
        yield fresh
    except OSError as error:
        raise StoreError(f"Cannot write {beside}: {error.strerror}. Nothing was changed.") from error
    finally:
        for left in beside.parent.glob(f"{fresh.name}*"):
            left.unlink(missing_ok=True)


@contextmanager
def _explained(file: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, file) from error
