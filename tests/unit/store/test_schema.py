"""One schema: the Core tables, the SQL text made from them, and what the migrations arrive at are the same."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from smithers.engine.entry import Fact, NodeState
from smithers.store import ddl, generate, migrate, open_store, sql
from smithers.store.records import Append, NewRun, Search
from smithers.store.schema import metadata
from smithers.store.searching import searched
from smithers.store.texts import dumps
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
WHOLE = {"CODES", "SCHEDULES", "NEWEST_RUN_IDS", "LIVE_RUNS", "REVISION"}
SMALL = {"SCAN sources", "SCAN queues"}
"""A row per version of the code, and per name of a queue."""


@pytest.mark.parametrize("name", [name for name, text in QUERIES.items() if text[:6] in ("SELECT", "UPDATE", "DELETE")])
def test_no_statement_reads_a_whole_table(tmp_path: Path, name: str) -> None:
    connection = sqlite3.connect(":memory:")
    for statement in ddl.SQLITE:
        connection.execute(statement)

    query = QUERIES[name]
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?")).fetchall()

    scans = [row[3] for row in plan if row[3].startswith("SCAN")]
    assert set(scans) <= SMALL or name in WHOLE
    assert name != "LIVE_RUNS" or scans == ["SCAN runs USING INDEX runs_live"]
    connection.close()


SEARCHES = {
    "runs_created": [Search(), Search(since_ms=1, until_ms=2), Search(before="r")],
    "runs_status": [Search(("failed",))],
    "runs_workflow": [Search(workflow="w", since_ms=1)],
    "PRIMARY KEY (name=? AND value=?": [Search(tags={"a": "b"}), Search(input={"a": "3"})],
    "run_id>? AND run_id<?": [Search(prefix="ab")],
}


@pytest.mark.parametrize(("index", "search"), [(index, one) for index, every in SEARCHES.items() for one in every])
def test_a_search_goes_by_an_index(index: str, search: Search) -> None:
    connection = sqlite3.connect(":memory:")
    for statement in ddl.SQLITE:
        connection.execute(statement)

    query, parameters = searched(search)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters)]
    connection.close()

    assert any(index in line for line in plan), plan
    assert not [line for line in plan if line.startswith("SCAN") and "runs_created" not in line], plan


def started_at_0001(url: str) -> None:
    """A store as the first release left it: one run that waits, one that has ended, inputs in rows and in a blob."""
    migrate.upgrade(url, to="0001")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    large = dumps({**STARTED, "input": {"title": "x", "order": {"id": 17}, "text": "t" * 300_000}})
    sha256 = hashlib.sha256(large).hexdigest()
    rows = [
        (1, "waiting", "waiting-approval", dumps(STARTED).decode()),
        (2, "large", "finished", blob_reference(sha256)),
    ]
    with engine.begin() as connection:
        for number, run_id, status, data in rows:
            values = {"id": number, "run": run_id, "status": status, "entry": number * 2**32 + 1, "data": data}
            connection.execute(text(OLD_RUN), values)
            connection.execute(text(OLD_ENTRY), values)
        blob = {"sha": sha256, "size": len(large), "data": zlib.compress(large, 1)}
        connection.execute(text("INSERT INTO blobs (sha256, size_bytes, data) VALUES (:sha, :size, :data)"), blob)
        connection.execute(text(OLD_COMMAND), {"id": 2**32 + 1})
        connection.execute(text(OLD_NODE))
    engine.dispose()


def blob_reference(sha256: str) -> str:
    return f'{{"$blob":"{sha256}"}}'


STARTED: dict[str, Any] = {
    "workflow": "ship",
    "input": {"title": "x", "order": {"id": 18}},
    "digest": "d",
    "source": "/flow.py",
    "options": {},
}
OLD_RUN = (
    "INSERT INTO runs (run_id, workflow, status, epoch, head, planned, digest, source, created_ms, updated_ms) "
    "VALUES (:run, 'ship', :status, 1, 1, 1, 'd', '/flow.py', 5, 5)"
)
OLD_ENTRY = (
    "INSERT INTO entries (id, run, kind, key, data, at_ms, code) "
    "VALUES (:entry, :id, 'started', 'started', :data, 5, 0)"
)
OLD_COMMAND = (
    "INSERT INTO commands (id, open, epoch, owner, kind, node, iteration, attempt, target, due_ms, timeout_ms, burst) "
    "VALUES (:id, 1, 1, 0, 'run', 'build', '', 1, 0, 0, 0, 0)"
)
OLD_NODE = (
    "INSERT INTO nodes (run, node, iteration, kind, state, attempt, label, ordinal, first_ms, ended_ms) "
    "VALUES (1, 'ok', '', 'approval', 'waiting-approval', 0, '', 1, 5, 0)"
)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_store_of_the_first_release_goes_on(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    sqlite = f"sqlite:///{tmp_path / 'old.db'}"
    url = sqlite if engine == "sqlite" else request.getfixturevalue("postgres").database()
    started_at_0001(url)

    store = open_store(url, create=False)

    assert [run.run_id for run in store.due_runs()] == ["waiting"]
    assert [row.command.n for row in store.open_commands("waiting")] == [1]
    needs = NodeState("ok", "", ("waiting-approval",))
    assert store.append(Append("waiting", (Fact("decided", "decided:ok:", {}, needs),))).outcomes == ("stored",)
    assert [run.run_id for run in store.search(Search(input={"title": "x"}))] == ["large", "waiting"]
    assert [run.run_id for run in store.search(Search(input={"order.id": "17"}))] == ["large"]
    new = NewRun("new", "ship", STARTED["input"], "d", "/flow.py", idempotency_key="k")
    assert [store.create_run(new).run_id, store.create_run(new).run_id] == ["new", "new"]
    store.close()
