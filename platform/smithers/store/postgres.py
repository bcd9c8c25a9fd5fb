"""PostgreSQL, by psycopg: each transaction on a connection of its own; a run's writers wait for its row.

Statements that come again are prepared by psycopg itself. If the server goes away, the call under way fails with
`StoreUnavailable` and the next one connects anew. When it goes away during a commit, nobody knows whether that was
stored; whoever appends the same fact again is told `duplicate`.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from smithers.errors import StoreError, StoreMissing, StoreUnavailable
from smithers.store import ddl, faults, sql
from smithers.store.database import Connection, Cursor, Database
from smithers.store.interface import Store
from smithers.store.opening import is_older
from smithers.store.pool import Pool
from smithers.store.sql_store import SqlStore

T = TypeVar("T")
CONNECTIONS = 8
"""Per process. A step holds one for a millisecond or two."""
WAIT_S = 15.0
CONNECT_S = 5
SESSION = (
    f"SET lock_timeout = '{WAIT_S:g}s'; "
    # A writer that is stopped in the middle must not hold a run's row for ever.
    "SET idle_in_transaction_session_timeout = '30s'; "
    "SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'warning'"
)
HAS_TABLES = "SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version' AND schemaname = ANY (current_schemas(false))"
"""Not `to_regclass`: within a session it may remember for a while that there was no such table."""
CREATE_LOCK = 0x534D4954
"""Advisory lock of the one who makes the tables: "SMIT"."""


TRANSLATED = (
    ("?", "%s"),
    ("/* FOR UPDATE */", "FOR UPDATE"),
    ("DO NOTHING /* BUT LOCK */", "DO UPDATE SET size_bytes = excluded.size_bytes"),
)


@cache
def translated(sql: str) -> bytes:
    for ours, theirs in TRANSLATED:
        sql = sql.replace(ours, theirs)
    return sql.encode()


class PgConnection:
    """A connection that takes the texts of `sql.py`."""

    __slots__ = ("raw",)

    def __init__(self, raw: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.raw = raw

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        return self.raw.execute(translated(sql), parameters)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> object:
        if len(parameters) == 1:
            return self.execute(sql, parameters[0])
        return self.raw.cursor().executemany(translated(sql), parameters)

    def gone(self) -> bool:
        """Whether the server has hung up. An idle connection has nothing to read but the end."""
        if self.raw.closed:
            return True
        readable, _, _ = select.select([self.raw.fileno()], [], [], 0)
        return bool(readable)


class PostgresDatabase(Database):
    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._url = url
        self._pool: Pool[PgConnection] = Pool(self._connect, _dispose, size=connections, wait_s=WAIT_S)

    def write(self, work: Callable[[Connection], T], *, synced: bool = True) -> T:  # noqa: ARG002
        """Always synced: what `synchronous_commit = off` leaves behind would be lost with the server's process alone,
        while the processes that rely on it go on elsewhere."""
        return self._lend(work, writes=True)

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._lend(work, writes=False)

    def close(self) -> None:
        self._pool.close()

    def _lend(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        connection = self._take()
        try:
            if writes:
                with connection.raw.transaction():
                    result = work(connection)
                    if faults.armed:
                        faults.before("commit")
                if faults.armed:
                    faults.after("commit")
            else:
                result = work(connection)
        except BaseException as error:
            self._return(connection)
            if isinstance(error, psycopg.Error):
                raise explain(error, self._url) from error
            raise
        self._pool.give(connection)
        return result

    def _take(self) -> PgConnection:
        connection = self._pool.take()
        while connection.gone():
            # All idle ones are as old as this one, or older.
            self._pool.drop(connection)
            self._pool.forget_idle()
            connection = self._pool.take()
        return connection

    def _return(self, connection: PgConnection) -> None:
        if connection.raw.closed or connection.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._pool.drop(connection)
        else:
            self._pool.give(connection)

    def _connect(self) -> PgConnection:
        return connect(self._url)


def _dispose(connection: PgConnection) -> None:
    connection.raw.close()


def connect(url: str) -> PgConnection:
    try:
        raw = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S, application_name="smithers")
    except psycopg.Error as error:
        raise explain(error, url) from error
    try:
        raw.execute(SESSION.encode())
    except psycopg.Error as error:
        raw.close()
        raise explain(error, url) from error
    return PgConnection(raw)


def open_postgres(url: str, *, create: bool) -> Store:
    connection = connect(url)
    try:
        if connection.execute(HAS_TABLES).fetchone() is None:
            if not create:
                raise StoreMissing(f"{where(url)} has no tables yet: nothing has been run. Start with `smithers up`.")
            make_tables(connection)
        row = connection.execute(sql.REVISION).fetchone()
    except psycopg.Error as error:
        raise explain(error, url) from error
    finally:
        connection.raw.close()
    if is_older(row[0] if row else None, where(url)):
        from smithers.store.migrate import upgrade

        upgrade(url)
    return SqlStore(PostgresDatabase(url))


def make_tables(connection: PgConnection) -> None:
    """Makes and stamps the newest schema, unless another process has just done so."""
    with connection.raw.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(?)", (CREATE_LOCK,))
        if connection.execute(HAS_TABLES).fetchone() is None:
            for statement in ddl.POSTGRESQL:
                connection.execute(statement)
            connection.execute(sql.STAMP, (ddl.REVISIONS[-1],))
        if faults.armed:
            faults.before("schema")
    if faults.armed:
        faults.after("schema")


def where(url: str) -> str:
    """The database as a person may read it: without the password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "PostgreSQL"
    host = str(parts.get("host") or "the local socket")
    return f"PostgreSQL database {parts.get('dbname') or parts.get('user') or ''!s} at {host}"


def explain(error: psycopg.Error, url: str) -> StoreError:
    reason = str(error).strip().partition("\n")[0]
    state = error.sqlstate or ""
    if isinstance(error, errors.LockNotAvailable):
        advice = "Another transaction holds the run's row. Try again; if it lasts, look at pg_stat_activity."
    elif isinstance(error, errors.DiskFull):
        advice = "The server's disk is full. Make room, then try again."
    elif isinstance(error, errors.ReadOnlySqlTransaction):
        advice = "The server takes no writes: a standby? Point SMITHERS_DATABASE_URL at the primary."
    elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or state.startswith(("40", "53", "57")):
        advice = "Is the server up, reachable from here, and does SMITHERS_DATABASE_URL name it? Try again."
    else:
        return StoreError(f"{where(url)}: {reason}. This is a bug in Smithers.", reason=reason, sqlstate=state)
    return StoreUnavailable(f"{where(url)}: {reason}. {advice}", reason=reason, sqlstate=state)
