"""Opening: fresh, missing, older, newer, foreign, damaged; and what it must not import."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smithers.errors import StoreDamaged, StoreError, StoreMissing, StoreVersion
from smithers.project import Project
from smithers.store import ddl, migrate, open_store
from smithers.store.records import NewRun

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "next", "{last}"

def upgrade():
    op.add_column("runs", sa.Column("note", sa.Text))
    {more}
"""


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "smithers.db"


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this code the next version, which has one more migration."""

    def become(more: str = "") -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(migrate.SCRIPTS, scripts)
        (scripts / "versions" / "next.py").write_text(NEXT.format(more=more, last=ddl.REVISIONS[-1]))
        monkeypatch.setattr(ddl, "REVISIONS", (*ddl.REVISIONS, "next"))
        monkeypatch.setattr(migrate, "SCRIPTS", scripts)

    return become


def make(path: Path) -> None:
    store = open_store(url_of(path), create=True)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    store.close()


@pytest.mark.feature("data.ensure")
def test_a_fresh_store_is_made_with_its_folder(path: Path) -> None:
    make(path)

    again = open_store(url_of(path), create=False)
    assert again.run("r").head == 1
    again.close()


def test_a_project_has_a_store_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMITHERS_DATABASE_URL", raising=False)

    open_store(Project(tmp_path), create=True).close()

    assert (tmp_path / ".smithers" / "smithers.db").exists()


def test_reading_makes_no_file(path: Path) -> None:
    with pytest.raises(StoreMissing, match="smithers up"):
        open_store(url_of(path), create=False)

    assert not path.parent.exists()


def test_threads_that_open_a_fresh_store_at_once_make_it_once(path: Path) -> None:
    def work(_: int) -> None:
        open_store(url_of(path), create=True).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(ddl.REVISIONS[-1],)]
    connection.close()


@pytest.mark.feature("data.ensure")
def test_an_older_store_is_upgraded_with_what_is_in_it(path: Path, next_version: Callable[[str], None]) -> None:
    make(path)
    next_version("")

    store = open_store(url_of(path), create=False)

    assert store.run("r").workflow == "ship"
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT note FROM runs").fetchall() == [(None,)]
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("next",)]
    connection.close()


def test_an_upgrade_that_fails_changes_nothing(path: Path, next_version: Callable[[str], None]) -> None:
    make(path)
    next_version('op.execute("INSERT INTO nowhere VALUES (1)")')

    with pytest.raises(StoreError, match="It is as it was"):
        open_store(url_of(path), create=False)

    connection = sqlite3.connect(path)
    assert "note" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(ddl.REVISIONS[-2],)]
    connection.close()


def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    make(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StoreVersion, match=r"schema 9999.*Upgrade: pip install"):
        open_store(url_of(path), create=True)


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()

    with pytest.raises(StoreError, match="another program"):
        open_store(url_of(path), create=True)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database " * 100)

    with pytest.raises(StoreDamaged, match="backup"):
        open_store(url_of(path), create=True)


def test_a_path_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="writable"):
        open_store(url_of(tmp_path / "file" / "smithers.db"), create=True)


@pytest.mark.parametrize("url", ["mysql://host/db", "smithers.db", ""])
def test_an_unknown_url_is_refused_with_those_that_are_known(url: str) -> None:
    with pytest.raises(StoreError, match="postgresql://"):
        open_store(url, create=True)


def test_sqlite_is_opened_and_used_without_heavy_imports(path: Path) -> None:
    code = f"""
import sys
from smithers.store import open_store, records, interface
assert "sqlite3" not in sys.modules and "pydantic_core" not in sys.modules
open_store({url_of(path)!r}, create=True).runs()
heavy = {{"sqlalchemy", "alembic", "psycopg", "temporalio", "asyncio", "difflib"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
