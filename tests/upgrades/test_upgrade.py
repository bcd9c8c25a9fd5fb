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
from tests.upgrades.recorded import LACKING, REVISIONS, rebuild, unpack

__all__ = ["postgres", "postgres_url"]

CACHED = ["0005", "0008", "0009"]
"""Those with a run of `cached.py`. 0006 came into use before 0005 did."""
SOURCES = [revision for revision in REVISIONS if revision >= "0006"]
"""Those that keep the sources of what runs."""
OLDER = [revision for revision in REVISIONS if revision != ddl.REVISIONS[-1]]


@pytest.fixture
def shell(tmp_path: Path):
    for workflow in ("kept.py", "cached.py"):
        shutil.copy(Path(__file__).with_name(workflow), tmp_path)
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


def goes_on(shell: Shell, revision: str, env: dict[str, str]) -> None:
    """Every recorded run ends as it should, on a real server, and what had ended does not run again."""
    assert shell.call("output", "closed", "t2", env=env).json == {"n": 2, "text": ""}
    assert shell.call("output", "closed", "t0", env=env).json["text"] == "smithers " * 40_000
    assert shell.call("approve", "asking", "ok", env=env).status == 0
    (shell.root / "go").touch()
    for run in ("asking", "burst"):
        ended = shell.call("up", "kept.py", "--resume", run, "--format", "json", env=env)
        assert ended.status == 0, ended.out + ended.err
    assert ran(shell) == ["asking:t2", "burst:t1", "burst:t2"]
    if revision in CACHED:
        takes_what_was_kept(shell, env)
    doctor = shell.call("doctor", env=env)
    assert doctor.status == 0, doctor.out


def takes_what_was_kept(shell: Shell, env: dict[str, str]) -> None:
    """The run that has left an output ends as it should, and another one does not do the same again."""
    words = ("up", "cached.py", "--no-wait", "--run-id", "later", "--input", '{"run": "later"}')
    assert (later := shell.call(*words, env=env)).status == 3, later.err
    for run in ("caching", "later"):
        assert shell.call("approve", run, "ok", env=env).status == 0
        ended = shell.call("up", "cached.py", "--resume", run, env=env)
        assert ended.status == 0, ended.out + ended.err
    assert ran(shell)[3:] == ["caching:c1", "later:c1"]


def test_the_stores_of_every_schema_that_was_used_are_here() -> None:
    """One that is missing is recorded with the code of a commit that has it, see `record.py`."""
    assert REVISIONS[:7] == ["0001", "0002", "0003", "0005", "0006", "0008", "0009"]


@pytest.mark.parametrize("revision", [*REVISIONS, *LACKING])
def test_an_upgraded_store_has_what_a_fresh_one_has(tmp_path: Path, revision: str) -> None:
    unpack(revision, tmp_path / "old.db")
    for name in ("old", "fresh"):
        open_store(f"sqlite:///{tmp_path / name}.db", create=True).close()

    assert made_of(tmp_path / "old.db") == made_of(tmp_path / "fresh.db")


def made_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Its tables and indexes with their columns."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        return {
            name: [
                row[2:3] if kind == "index" else row[1:3] for row in connection.execute(f"PRAGMA {kind}_info({name})")
            ]
            for name, kind in names
        }


@pytest.mark.timeout(240)
@pytest.mark.parametrize("revision", REVISIONS)
def test_waiting_runs_go_on_after_an_upgrade(shell: Shell, revision: str) -> None:
    unpack(revision, database(shell))

    first = shell.call("ps", "--format", "json")

    assert first.status == 0
    assert {run["runId"]: run["status"] for run in first.json["runs"]} == {
        "closed": "finished",
        "asking": "waiting-approval",
        "burst": "running",
    } | ({"caching": "waiting-approval"} if revision in CACHED else {})
    assert schema(database(shell)) == ddl.REVISIONS[-1]
    goes_on(shell, revision, {})


@pytest.mark.timeout(240)
@pytest.mark.parametrize("revision", SOURCES)
def test_a_run_goes_on_with_the_sources_that_were_kept_before_an_upgrade(shell: Shell, revision: str) -> None:
    unpack(revision, database(shell))
    (shell.root / "kept.py").write_text((shell.root / "kept.py").read_text().replace("done.n + 1", "done.n + 7"))

    assert shell.call("approve", "asking", "ok").status == 0
    refused = shell.call("up", "kept.py", "--resume", "asking", "--format", "json")
    pinned = shell.call("up", "--resume", "asking", "--pinned")

    assert refused.error["code"] == "CODE_CHANGED"
    assert pinned.status == 0, pinned.out + pinned.err
    assert shell.call("output", "asking", "t2").json == {"n": 2, "text": ""}


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_run_from_before_an_upgrade_is_deleted_with_its_blob(shell: Shell, revision: str) -> None:
    unpack(revision, database(shell))
    assert long_blobs(database(shell)) > 0

    deleted = shell.call("delete", "closed", "--yes", "--format", "json")

    assert deleted.status == 0, deleted.out + deleted.err
    assert "closed" not in {run["runId"] for run in shell.call("ps", "--format", "json").json["runs"]}
    assert long_blobs(database(shell)) == 0


def long_blobs(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM blobs WHERE size_bytes > 300000").fetchone()[0]


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


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", LACKING)
def test_a_store_that_lacks_tables_is_mended_under_its_waiting_runs(shell: Shell, name: str) -> None:
    unpack(name, database(shell))
    with closing(sqlite3.connect(database(shell))) as connection:
        there = {table for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert schema(database(shell)) == "0008"
    assert there.isdisjoint(LACKING[name])

    goes_on(shell, name, {})

    assert schema(database(shell)) == ddl.REVISIONS[-1]
    leaves_and_takes(shell, {})


def leaves_and_takes(shell: Shell, env: dict[str, str]) -> None:
    """Outputs are kept for other runs from now on, and taken."""
    for run in ("leaving", "taking"):
        words = ("up", "cached.py", "--no-wait", "--run-id", run, "--input", f'{{"run": "{run}"}}')
        assert shell.call(*words, env=env).status == 3
    assert [line for line in ran(shell) if line.startswith(("leaving:", "taking:"))] == ["leaving:c0"]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", LACKING)
def test_a_store_in_postgresql_that_lacks_tables_is_mended(shell: Shell, name: str, postgres_url: str) -> None:
    rebuild(name, shell.root / "scratch.db", postgres_url)
    (shell.root / ".smithers").mkdir()

    env = {"SMITHERS_DATABASE_URL": postgres_url}
    goes_on(shell, name, env)
    leaves_and_takes(shell, env)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("revision", REVISIONS)
def test_waiting_runs_in_postgresql_go_on_after_an_upgrade(shell: Shell, revision: str, postgres_url: str) -> None:
    rebuild(revision, shell.root / "scratch.db", postgres_url)
    (shell.root / ".smithers").mkdir()

    goes_on(shell, revision, {"SMITHERS_DATABASE_URL": postgres_url})

    open_store(postgres_url, create=False).close()


def test_a_newer_store_is_refused_by_commands(shell: Shell) -> None:
    unpack(REVISIONS[-1], database(shell))
    with closing(sqlite3.connect(database(shell))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    refused = shell.call("ps", "--format", "json")

    assert refused.error["code"] == "STORE_VERSION"
    assert "was written by a newer Smithers (schema 9999" in refused.error["message"]
    assert schema(database(shell)) == "9999"
