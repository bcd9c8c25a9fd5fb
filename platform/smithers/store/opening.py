"""Opens a store by its URL: makes it if it is not there, upgrades an older one, refuses a newer one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from smithers.errors import StoreError, StoreMissing, StoreVersion
from smithers.store import ddl, faults, sql
from smithers.store.interface import Store
from smithers.store.mounts import refuse_network
from smithers.store.sql_store import SqlStore
from smithers.store.sqlite import WAIT_S, SqliteDatabase, connect, explain, open_turnstile


def open_url(url: str, *, create: bool) -> Store:
    """`sqlite:///path` (absolute: four slashes), or `postgresql://user:password@host/database`."""
    scheme, found, rest = url.partition("://")
    dialect = scheme.partition("+")[0]
    if found and dialect == "sqlite":
        return _open_sqlite(url, rest.removeprefix("/"), create=create)
    if found and dialect in ("postgresql", "postgres"):
        from smithers.store.postgres import open_postgres

        return open_postgres(f"postgresql://{rest}", create=create)
    raise StoreError(
        f"{scheme!r} is not a database that Smithers knows. SMITHERS_DATABASE_URL is sqlite:///path/to/file.db or "
        "postgresql://user:password@host/database."
    )


def _open_sqlite(url: str, name: str, *, create: bool) -> Store:
    if name in ("", ":memory:"):
        from smithers.store.memory import MemoryStore

        return MemoryStore()
    path = Path(name)
    try:
        if not path.exists() or path.stat().st_size == 0:
            _make_sqlite(path, create=create)
        else:
            _check_sqlite(url, path)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return SqlStore(SqliteDatabase(path))


def _make_sqlite(path: Path, *, create: bool) -> None:
    if not create:
        raise StoreMissing(f"{path} is not there: nothing has been run in this project. Start with `smithers up`.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_network(path.parent)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"Cannot make {path}: {error.strerror}. Make the folder writable for you.") from error
    turnstile = open_turnstile(path)
    connection = connect(path, WAIT_S)
    try:
        turnstile.enter(WAIT_S)
        make_tables(connection)
    finally:
        connection.close()
        turnstile.close()


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes and stamps the newest schema in an empty database, unless another process has just done so."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is in the file
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        for statement in ddl.SQLITE:
            connection.execute(statement)
        connection.execute(sql.STAMP, (ddl.REVISIONS[-1],))
    if faults.armed:
        faults.before("schema")
    connection.execute("COMMIT")
    if faults.armed:
        faults.after("schema")


def _check_sqlite(url: str, path: Path) -> None:
    refuse_network(path.parent)
    connection = connect(path, WAIT_S)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                raise StoreError(f"{path} is another program's database. Give another file.")
            make_tables(connection)
        row = connection.execute(sql.REVISION).fetchone()
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")  # a copy that was put here is not
    finally:
        connection.close()
    if is_older(row[0] if row else None, str(path)):
        from smithers.store.migrate import upgrade

        upgrade(url)


def is_older(revision: str | None, where: str) -> bool:
    """Whether the schema must be upgraded. Raises `StoreVersion` for a newer one."""
    if revision == ddl.REVISIONS[-1]:
        return False
    if revision is None or revision in ddl.REVISIONS:
        return True
    raise StoreVersion(
        f"{where} was written by a newer Smithers (schema {revision}; this one knows up to {ddl.REVISIONS[-1]}). "
        "Nothing was changed. Upgrade: pip install --upgrade smithers-temporal.",
        revision=revision,
    )
