"""Brings an older schema to the newest revision, with Alembic. Imported only when that is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from smithers.errors import StoreUnavailable

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(url: str, *, to: str = "head") -> None:
    """One transaction under the database's write lock; who comes second finds nothing left to do."""
    _run(url, command.upgrade, to)


def downgrade(url: str, *, to: str = "base") -> None:
    _run(url, command.downgrade, to)


def _run(url: str, action: Callable[[Config, str], None], to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                from smithers.store.postgres import CREATE_LOCK

                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CREATE_LOCK})
            config.attributes["connection"] = connection
            action(config, to)
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
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 15.0})
    event.listen(engine, "connect", _no_implicit_begin)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _no_implicit_begin(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
