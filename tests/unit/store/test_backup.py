"""Copies of a store: sound while others write, refused where they are not, and put back with higher epochs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from smithers.engine.entry import EndedRun, Fact
from smithers.errors import InputError, StoreDamaged, StoreMissing, StoreVersion
from smithers.store import ddl, open_store
from smithers.store.backup import EPOCHS_BEGIN_S, back_up, check, restore
from smithers.store.interface import Store
from smithers.store.records import Append, LogLine, NewRun
from tests.unit.store.ending import end
from tests.upgrades.recorded import unpack

pytestmark = pytest.mark.decision("0017")

NOW_S = EPOCHS_BEGIN_S + 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "smithers.db"


def opened(path: Path) -> Store:
    return open_store(f"sqlite:///{path}", create=True)


def make(path: Path, *runs: str) -> None:
    store = opened(path)
    for run in runs:
        store.create_run(NewRun(run, "ship", {}, "d1", "/flow.py"))
    store.close()


def runs(path: Path) -> dict[str, int]:
    """Epochs by run."""
    store = opened(path)
    found = {run.run_id: run.epoch for run in store.runs()}
    store.close()
    return found


def test_a_copy_is_of_one_moment_while_others_write(path: Path, tmp_path: Path) -> None:
    store = opened(path)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    stop = threading.Event()

    def write() -> None:
        for n in range(100_000):
            if stop.is_set():
                break
            store.write_log_lines([LogLine("r", "n", "", 1, n, "out", "x" * 500)])

    writer = threading.Thread(target=write)
    writer.start()
    for k in range(5):
        back_up(path, tmp_path / f"copy{k}")
    stop.set()
    writer.join()
    store.close()

    assert [check(tmp_path / f"copy{k}") for k in range(5)] == [ddl.REVISIONS[-1]] * 5
    assert sorted(one.name for one in tmp_path.iterdir()) == [*(f"copy{k}" for k in range(5)), "state"]


def test_a_copy_never_replaces_a_file(path: Path, tmp_path: Path) -> None:
    make(path, "r")
    (tmp_path / "copy").write_text("mine")

    with pytest.raises(InputError, match="is there already"):
        back_up(path, tmp_path / "copy")

    assert (tmp_path / "copy").read_text() == "mine"
    with pytest.raises(StoreMissing):
        back_up(tmp_path / "nothing", tmp_path / "other")


def test_every_run_has_a_higher_epoch_after_a_restore(path: Path, tmp_path: Path) -> None:
    make(path, "open", "failed")
    store = opened(path)
    end(store, "failed", "failed")
    store.close()
    back_up(path, tmp_path / "copy")
    make(path, "later")

    restored = restore(path, tmp_path / "copy", "ann", NOW_S)

    assert (restored.redriven, restored.epoch) == (("open",), 1000)
    assert runs(path) == {"open": 1000, "failed": 1000}
    assert restored.before is not None
    assert set(runs(restored.before)) == {"open", "failed", "later"}
    store = opened(path)
    assert store.entries("open")[-1].data == {"epoch": 1000, "by": "ann"}
    resumed = Fact("resumed", "resumed:1001", {}, EndedRun(("failed",)))
    assert store.append(Append("failed", (resumed,))).epoch == 1001
    store.close()


def test_the_same_copy_put_back_twice_has_other_epochs(path: Path, tmp_path: Path) -> None:
    make(path, "r")
    back_up(path, tmp_path / "copy")

    restore(path, tmp_path / "copy", "ann", NOW_S)
    path.unlink()
    restore(path, tmp_path / "copy", "ann", NOW_S + 60)

    assert runs(path) == {"r": 1060}


def test_who_has_the_store_open_sees_what_was_restored(path: Path, tmp_path: Path) -> None:
    make(path, "r")
    back_up(path, tmp_path / "copy")
    store = opened(path)
    store.create_run(NewRun("later", "ship", {}, "d1", "/flow.py"))

    restore(path, tmp_path / "copy", "ann", NOW_S)

    assert [run.run_id for run in store.runs()] == ["r"]
    store.create_run(NewRun("after", "ship", {}, "d1", "/flow.py"))
    store.close()
    assert set(runs(path)) == {"r", "after"}


def test_a_damaged_copy_is_refused_and_nothing_changes(path: Path, tmp_path: Path) -> None:
    make(path, *(f"r{n}" for n in range(200)))
    back_up(path, tmp_path / "copy")
    data = bytearray((tmp_path / "copy").read_bytes())
    data[4096 * 3 : 4096 * 8] = b"\x5a" * 4096 * 5
    (tmp_path / "copy").write_bytes(data)
    before = runs(path)

    with pytest.raises(StoreDamaged, match="Nothing was changed"):
        restore(path, tmp_path / "copy", "ann", NOW_S)

    assert runs(path) == before


@pytest.mark.parametrize(("sql", "error"), [
    ("UPDATE alembic_version SET version_num = '9999'", StoreVersion),
    ("DROP TABLE alembic_version", InputError),
])  # fmt: skip
def test_what_is_no_store_of_ours_is_refused(path: Path, tmp_path: Path, sql: str, error: type[Exception]) -> None:
    import sqlite3

    make(path, "r")
    back_up(path, tmp_path / "copy")
    connection = sqlite3.connect(tmp_path / "copy", isolation_level=None)
    connection.execute(sql)
    connection.close()

    with pytest.raises(error):
        restore(path, tmp_path / "copy", "ann", NOW_S)

    assert runs(path) == {"r": 1}


def test_a_copy_of_an_older_schema_is_upgraded(path: Path, tmp_path: Path) -> None:
    unpack("0001", tmp_path / "copy")

    restored = restore(path, tmp_path / "copy", "ann", NOW_S)

    assert restored.redriven == ("asking", "burst")
    assert check(path) == ddl.REVISIONS[-1]
    assert [one.name for one in path.parent.iterdir() if "schema" in one.name or one.name[-1].isdigit()] == []


def test_a_store_that_cannot_be_read_goes_aside(path: Path, tmp_path: Path) -> None:
    make(path, "r")
    back_up(path, tmp_path / "copy")
    path.write_bytes(b"broken" * 1000)

    restored = restore(path, tmp_path / "copy", "ann", NOW_S)

    assert restored.before is not None
    assert restored.before.read_bytes()[:6] == b"broken"
    assert runs(path) == {"r": 1000}
