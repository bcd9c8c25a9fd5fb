"""Brings an older schema to the newest revision, with Alembic. Imported only when that is needed.

An upgrade is one transaction under the database's write lock. Whoever comes second waits for it and finds nothing
left to do. Before a SQLite file is changed, it is copied beside itself, while nobody else can write: the code
that wrote it cannot read it any more. A database on a server has backups of its own. What happens is told on stderr.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from smithers.errors import StoreError, StoreUnavailable

SCRIPTS = Path(__file__).parent / "migrations"
WAIT_S: Final = 600.0
"""For another process that upgrades the same store."""
Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def upgrade(url: str, *, to: str = "head", say: Say = to_stderr) -> None:
    """Raises `StoreUnavailable`, and `StoreError` if there is no room for the copy; the store is as it was then."""
    with _connected(url) as (config, connection):
        have = MigrationContext.configure(connection).get_current_revision()
        want = ScriptDirectory.from_config(config).get_current_head() if to == "head" else to
        if have == want:
            return
        began = time.monotonic()
        if have is not None:
            kept = _kept_copy(connection, have)
            say(f"smithers: upgrading the store from schema {have} to {want}{kept and f'; a copy is kept: {kept}'}")
        command.upgrade(config, to)
        if have is not None:
            say(f"smithers: upgraded the store in {time.monotonic() - began:.1f} s")


def downgrade(url: str, *, to: str = "base") -> None:
    with _connected(url) as (config, _):
        command.downgrade(config, to)


def _kept_copy(connection: Connection, revision: str) -> str:
    """Where the SQLite file was copied to, as it is now; empty for other databases."""
    path = Path(connection.engine.url.database or "")
    if connection.dialect.name != "sqlite":
        return ""
    copy = path.with_name(f"{path.name}.schema-{revision}")
    fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(fresh)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        fresh.replace(copy)
    except (OSError, sqlite3.Error) as error:
        fresh.unlink(missing_ok=True)
        raise StoreError(
            f"{path} must be upgraded from schema {revision}, and cannot be copied to {copy} first: {error}. Nothing "
            "was changed. Make room there for a second file of its size, and the folder writable for you."
        ) from error
    return str(copy)


@contextmanager
def _connected(url: str) -> Generator[tuple[Config, Connection]]:
    """A transaction that holds the lock of the schema."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                from smithers.store.postgres import CREATE_LOCK

                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CREATE_LOCK})
            config.attributes["connection"] = connection
            yield config, connection
    except DBAPIError as error:
        raise StoreUnavailable(
            f"The store's schema could not be upgraded: {error.orig}. It is as it was. End other Smithers processes of "
            "this project, then try again.",
            reason=str(error.orig),
        ) from error
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    """By psycopg, whatever the URL's driver. On SQLite, DDL takes part in the transaction, as it does not by default
    in Python's module."""
    if url.startswith("postgresql"):
        return create_engine("postgresql+psycopg" + url[url.index("://") :], poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_S})
    event.listen(engine, "connect", _no_implicit_begin)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _no_implicit_begin(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
