"""PostgreSQL: opening, and what the server refuses."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from smithers.engine.entry import Fact
from smithers.errors import StoreMissing, StoreUnavailable, StoreVersion
from smithers.store import ddl, migrate, open_store, sql
from smithers.store import postgres as engine
from smithers.store.interface import Store
from smithers.store.postgres import connect
from smithers.store.records import Append, Deleted, NewRun, PlanWrite
from smithers.store.texts import Encoder
from tests.servers.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "next", "{last}"

def upgrade():
    op.add_column("runs", sa.Column("note", sa.Text))
"""


@pytest.fixture
def store(postgres_url: str) -> Generator[Store]:
    store = open_store(postgres_url, create=True)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    yield store
    store.close()


@pytest.fixture
def other(postgres_url: str, store: Store) -> Generator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as other:
        yield other


def append(store: Store, key: str) -> str:
    return store.append(Append("r", (Fact("retried", key),))).outcomes[0]


def test_reading_makes_no_tables(postgres_url: str) -> None:
    with pytest.raises(StoreMissing, match="smithers up"):
        open_store(postgres_url, create=False)


def test_threads_that_open_an_empty_database_at_once_make_the_tables_once(postgres_url: str) -> None:
    def work(_: int) -> None:
        open_store(postgres_url, create=True).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))

    open_store(postgres_url, create=False).close()


def test_an_older_store_is_upgraded(
    postgres_url: str, other: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, scripts)
    (scripts / "versions" / "next.py").write_text(NEXT.replace("{last}", ddl.REVISIONS[-1]))
    monkeypatch.setattr(ddl, "REVISIONS", (*ddl.REVISIONS, "next"))
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)

    store = open_store(postgres_url.replace("://", "+psycopg://"), create=False)

    assert store.run("r").workflow == "ship"
    store.close()
    assert other.execute("SELECT note FROM runs").fetchall() == [(None,)]


def test_a_newer_store_is_refused_without_showing_the_password(postgres_url: str, other: psycopg.Connection) -> None:
    other.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreVersion, match="newer Smithers") as caught:
        open_store(postgres_url.replace("app@", "app:s3cret@"), create=True)

    assert "s3cret" not in str(caught.value)


def test_a_database_that_is_not_there_is_reported(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r'"nowhere" does not exist.*SMITHERS_DATABASE_URL'):
        open_store(re.sub(r"/test\d+", "/nowhere", postgres_url), create=True)


def test_a_run_that_another_transaction_keeps_locked_is_reported(
    postgres_url: str, other: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SESSION", "SET lock_timeout = '100ms'")
    store = open_store(postgres_url, create=False)
    with other.transaction():
        other.execute("SELECT * FROM runs FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="pg_stat_activity"):
            append(store, "a")

    assert append(store, "a") == "stored"
    store.close()


def test_a_session_that_the_server_ended_is_replaced(store: Store, other: psycopg.Connection) -> None:
    append(store, "a")

    other.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    assert append(store, "b") == "stored"


def test_a_server_that_takes_no_writes_is_reported(store: Store, other: psycopg.Connection, postgres_url: str) -> None:
    name = other.info.dbname
    other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    reading = open_store(postgres_url, create=False)

    with pytest.raises(StoreUnavailable, match="standby"):
        append(reading, "a")

    assert reading.run("r").head == 1
    reading.close()


def test_a_blob_that_is_being_named_is_not_deleted(postgres_url: str) -> None:
    """Somebody has stored the content again, and has not yet committed, when the run that had it is deleted."""
    long = {"text": "long " * 100_000}
    store = open_store(postgres_url, create=True)
    for name in ("a", "b"):
        store.create_run(NewRun(name, "ship", {}, "d", "/flow.py"))
    store.append(Append("a", (Fact("retried", "news", long),)))
    store.append(Append("a", plan=PlanWrite(0, 2, 0, Fact("frame", "frame:1", {}), (), status="finished")))
    encoder = Encoder()
    text = encoder.text(long)

    deleted: list[Deleted] = []
    deleting = threading.Thread(target=lambda: deleted.append(store.delete_run("a")))
    writer = connect(postgres_url)
    with writer.raw.transaction():
        encoder.write(writer)
        deleting.start()
        until_waiting(postgres_url)
        run = writer.execute(sql.RUN_EXISTS, ("b",)).fetchone()[0]
        writer.execute(sql.INSERT_ENTRY, (run * sql.PER_RUN + 2, run, "retried", "news", text, 0, 0))
    deleting.join()
    writer.raw.close()

    assert [one.blobs for one in deleted] == [0]
    assert store.entries("b")[1].data == long
    store.close()


def until_waiting(url: str) -> None:
    """Until a transaction waits for a lock."""
    watcher = connect(url)
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 20
    while not watcher.execute(query).fetchone()[0]:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)
    watcher.raw.close()
