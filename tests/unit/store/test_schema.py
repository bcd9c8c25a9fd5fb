"""One schema: the Core tables, the SQL text made from them, and what the migrations arrive at are the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from smithers.store import ddl, generate, migrate, open_store, sql
from smithers.store.schema import metadata
from tests.servers.postgres import Cluster, postgres

__all__ = ["postgres"]

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, collation_name, is_identity, character_maximum_length
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"


def test_the_sql_text_is_fresh() -> None:
    text = Path(ddl.__file__).read_text(encoding="utf-8")
    assert text == generate.module(), "run: python -m smithers.store.generate"


def sqlite_shape(path: Path) -> dict[str, Any]:
    """Everything SQLite knows of the schema, but for how the statements were written."""
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    shape: dict[str, Any] = {}
    for name in names:
        created = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        shape[name] = [
            "WITHOUT ROWID" in created,
            connection.execute(f"PRAGMA table_info({name})").fetchall(),
            sorted(connection.execute(f"PRAGMA index_list({name})").fetchall(), key=lambda row: row[1]),
        ]
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    shape["indexes"] = {name: " ".join(found.split()) for name, found in connection.execute(query)}
    connection.close()
    return shape


def test_migrations_arrive_at_the_schema_on_sqlite(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'made.db'}", create=True).close()
    migrate.upgrade(f"sqlite:///{tmp_path / 'migrated.db'}")

    made, migrated = sqlite_shape(tmp_path / "made.db"), sqlite_shape(tmp_path / "migrated.db")

    assert {name: [shape[0], shape[1]] for name, shape in made.items() if name != "indexes"} == {
        name: [shape[0], shape[1]] for name, shape in migrated.items() if name != "indexes"
    }
    assert made["indexes"] == migrated["indexes"]
    assert differences(create_engine(f"sqlite:///{tmp_path / 'migrated.db'}", poolclass=NullPool)) == []


def test_migrations_arrive_at_the_schema_on_postgresql(postgres: Cluster) -> None:
    made, migrated = postgres.database(), postgres.database()
    open_store(made, create=True).close()
    migrate.upgrade(migrated)

    engines = [create_engine(url.replace("://", "+psycopg://"), poolclass=NullPool) for url in (made, migrated)]

    assert rows(engines[0], COLUMNS) == rows(engines[1], COLUMNS)
    assert rows(engines[0], INDEXES) == rows(engines[1], INDEXES)
    assert differences(engines[1]) == []


def test_migrations_can_be_taken_back(tmp_path: Path, postgres: Cluster) -> None:
    for url in (f"sqlite:///{tmp_path / 'x.db'}", postgres.database()):
        migrate.upgrade(url)
        migrate.downgrade(url)
        migrate.upgrade(url)
        open_store(url, create=False).close()


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def differences(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


QUERIES = {name: value for name, value in vars(sql).items() if name[0].isupper() and isinstance(value, str)}
WHOLE = {"CODES", "NEWEST_RUN_IDS", "LIVE_RUNS", "REVISION"}


@pytest.mark.parametrize("name", [name for name, text in QUERIES.items() if text[:6] in ("SELECT", "UPDATE", "DELETE")])
def test_no_statement_reads_a_whole_table(tmp_path: Path, name: str) -> None:
    connection = sqlite3.connect(":memory:")
    for statement in ddl.SQLITE:
        connection.execute(statement)

    query = QUERIES[name]
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?")).fetchall()

    scans = [row[3] for row in plan if row[3].startswith("SCAN")]
    assert not scans or name in WHOLE
    assert name != "LIVE_RUNS" or scans == ["SCAN runs USING INDEX runs_live"]
    connection.close()
