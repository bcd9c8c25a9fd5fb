"""A store that an earlier version has written is opened with this one, and its runs go on to their ends."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smithers.store import ddl, open_store
from tests.acceptance.cli.running import Shell
from tests.servers.postgres import postgres, postgres_url
from tests.upgrades.recorded import REVISIONS, rebuild, unpack

__all__ = ["postgres", "postgres_url"]

OLDER = [revision for revision in REVISIONS if revision != ddl.REVISIONS[-1]]


@pytest.fixture
def shell(tmp_path: Path):
    shutil.copy(Path(__file__).with_name("kept.py"), tmp_path)
    made = Shell(tmp_path)
    yield made
    made.close()


def database(shell: Shell) -> Path:
    return shell.root / ".smithers" / "smithers.db"


def schema(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def ran(shell: Shell) -> list[str]:
    path = shell.root / "ran"
    return path.read_text().splitlines() if path.exists() else []


def goes_on(shell: Shell, env: dict[str, str]) -> None:
    """Every recorded run ends as it should, on a real server, and what had ended does not run again."""
    assert shell.call("output", "closed", "t2", env=env).json == {"n": 2, "text": ""}
    assert shell.call("output", "closed", "t0", env=env).json["text"] == "smithers " * 40_000
    assert shell.call("approve", "asking", "ok", env=env).status == 0
    (shell.root / "go").touch()
    for run in ("asking", "burst"):
        ended = shell.call("up", "kept.py", "--resume", run, "--format", "json", env=env)
        assert ended.status == 0, ended.out + ended.err
    assert ran(shell) == ["asking:t2", "burst:t1", "burst:t2"]
    assert shell.call("doctor", env=env).status == 0


def test_the_stores_of_every_schema_that_was_used_are_here() -> None:
    """One that is missing is recorded with the code of a commit that has it, see `record.py`."""
    assert REVISIONS[:3] == ["0001", "0002", "0003"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("revision", REVISIONS)
def test_waiting_runs_go_on_after_an_upgrade(shell: Shell, revision: str) -> None:
    unpack(revision, database(shell))

    first = shell.call("ps", "--format", "json")

    assert first.status == 0
    assert {run["runId"]: run["status"] for run in first.json["runs"]} == {
        "closed": "finished",
        "asking": "waiting-approval",
        "burst": "running",
    }
    assert schema(database(shell)) == ddl.REVISIONS[-1]
    goes_on(shell, {})


@pytest.mark.parametrize("revision", OLDER)
def test_an_upgrade_says_what_it_does_and_keeps_a_copy(shell: Shell, revision: str) -> None:
    unpack(revision, database(shell))
    before = database(shell).read_bytes()

    said = shell.call("ps", "--format", "json").err

    copy = database(shell).with_name(f"smithers.db.schema-{revision}")
    assert f"upgrading the store from schema {revision} to {ddl.REVISIONS[-1]}; a copy is kept: {copy}" in said
    assert "upgraded the store in" in said
    assert copy.stat().st_mode & 0o777 == 0o600
    assert list(dumped(copy)) == list(dumped_bytes(before, shell.root / "before.db"))
    assert shell.call("ps").err == ""


def dumped(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def dumped_bytes(data: bytes, path: Path) -> list[str]:
    path.write_bytes(data)
    return dumped(path)


def test_of_processes_that_upgrade_at_once_one_does_it(shell: Shell) -> None:
    unpack("0001", database(shell))

    processes = [shell.begin("ps", "--format", "json") for _ in range(4)]
    results = [shell.result(process) for process in processes]

    assert [result.status for result in results] == [0] * 4
    assert sum("upgrading the store" in result.err for result in results) == 1
    assert schema(database(shell)) == ddl.REVISIONS[-1]


def test_an_upgrade_that_cannot_keep_a_copy_changes_nothing(shell: Shell) -> None:
    unpack("0001", database(shell))
    (database(shell).parent / "smithers.db.schema-0001").mkdir()

    refused = shell.call("ps")

    assert refused.status != 0
    assert "must be upgraded from schema 0001, and cannot be copied" in refused.err
    assert schema(database(shell)) == "0001"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("revision", REVISIONS)
def test_waiting_runs_in_postgresql_go_on_after_an_upgrade(shell: Shell, revision: str, postgres_url: str) -> None:
    rebuild(revision, shell.root / "scratch.db", postgres_url)
    (shell.root / ".smithers").mkdir()

    goes_on(shell, {"SMITHERS_DATABASE_URL": postgres_url})

    open_store(postgres_url, create=False).close()


def test_a_newer_store_is_refused_by_commands(shell: Shell) -> None:
    unpack(REVISIONS[-1], database(shell))
    with closing(sqlite3.connect(database(shell))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    refused = shell.call("ps", "--format", "json")

    assert refused.error["code"] == "STORE_VERSION"
    assert "was written by a newer Smithers (schema 9999" in refused.error["message"]
    assert schema(database(shell)) == "9999"
