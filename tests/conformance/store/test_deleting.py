"""Deleting: all that is kept for a run goes, and nothing that another one needs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from smithers.errors import RunNotFound, StoreDamaged, WrongState
from smithers.store.deleting import Old, old_runs, prune
from smithers.store.interface import Store
from smithers.store.records import Append, LogLine, Search, Sources
from smithers.store.sql_store import SqlStore
from smithers.store.texts import dumps
from tests.conformance.store.conftest import Clock
from tests.conformance.store.make import NOW, command, fact, new_run, node, plan

pytestmark = pytest.mark.decision("0018")

LONG = "long " * 100_000
TABLES = ("runs", "entries", "commands", "nodes", "marks", "snapshots", "log_lines", "blobs")


def whole(store: Store, run_id: str, status: str = "finished", text: str = LONG, **changes: Any) -> None:
    """A run with something in every table, each long text named once or more."""
    store.create_run(new_run(run_id, input={"title": run_id, "text": text}, tags={"a": "b"}, **changes))
    store.append(Append(run_id, (fact("news", text=text),)))
    detail = {"text": text}
    written = plan(
        0,
        2,
        commands=(command(1, payload=detail),),
        nodes=(node("build", "running", detail=detail),),
        closed=(),
        status=status,
        error={"code": "X", "text": text},
    )
    assert store.append(Append(run_id, plan=written)).planned
    store.write_log_lines([LogLine(run_id, "build", "", 1, NOW, "out", "hello")])
    store.write_snapshot(run_id, 2, 1, b"{}")


def rows(store: Store) -> dict[str, int]:
    assert isinstance(store, SqlStore)
    read = store._database.read
    return {
        name: read(lambda connection, name=name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
        for name in TABLES
    }


def test_nothing_is_left_of_a_deleted_run(store: Store) -> None:
    whole(store, "r")
    assert all(rows(store).values())

    deleted = store.delete_run("r")

    assert rows(store) == dict.fromkeys(TABLES, 0)
    assert (deleted.run_id, deleted.entries) == ("r", 3)
    assert deleted.blobs >= 3
    assert deleted.blob_bytes > deleted.blobs * len(LONG)
    with pytest.raises(RunNotFound):
        store.delete_run("r")


def test_what_another_run_names_stays(store: Store) -> None:
    whole(store, "a")
    whole(store, "b")
    before = store.entries("b")

    store.delete_run("a")

    assert store.entries("b") == before
    assert store.run("b").error == {"code": "X", "text": LONG}
    assert store.node("b", "build", "0").detail == {"text": LONG}
    assert store.command("b", 1)[0].command.payload == {"text": LONG}
    assert [run.run_id for run in store.search(Search(tags={"a": "b"}))] == ["b"]
    store.delete_run("b")
    assert rows(store)["blobs"] == 0


def test_a_blob_that_was_written_by_itself_stays(store: Store) -> None:
    sha256 = store.write_blob(b"mine")
    whole(store, "r")

    store.delete_run("r")

    assert store.blob(sha256) == b"mine"


def test_a_file_of_some_code_stays_though_a_run_had_the_same_content(store: Store) -> None:
    whole(store, "r")
    content = dumps({"text": LONG})
    store.write_sources(Sources("d" * 64, "flow.py", {"flow.py": b"", "data.json": content}, {"python": "3" * 5000}))

    store.delete_run("r")

    assert store.sources("d" * 64).files["data.json"] == content


@pytest.mark.parametrize("status", ["running", "waiting-approval", "waiting-code"])
def test_an_open_run_is_refused_with_its_state(store: Store, status: str) -> None:
    whole(store, "r", status)
    before = rows(store)

    with pytest.raises(WrongState, match=f"is {status}"):
        store.delete_run("r")

    assert rows(store) == before


def test_the_id_and_the_idempotency_key_are_free_again(store: Store) -> None:
    whole(store, "r", idempotency_key="k")
    store.delete_run("r")

    made = store.create_run(new_run("other", idempotency_key="k"))

    assert made.run_id == "other"
    assert store.create_run(new_run("r")).head == 1
    assert store.log_lines("r") == []


def test_the_same_content_may_be_stored_while_it_is_deleted(store: Store) -> None:
    """Whatever comes first: what a run names is there."""
    failures: list[BaseException] = []

    def write(k: int) -> None:
        try:
            for n in range(8):
                whole(store, f"w{k}-{n}")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    def delete() -> None:
        try:
            for n in range(8):
                whole(store, f"d{n}")
                store.delete_run(f"d{n}")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=write, args=(0,)), threading.Thread(target=delete)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    for run in store.runs(limit=100):
        try:
            store.entries(run.run_id)
            store.nodes(run.run_id)
        except StoreDamaged:
            pytest.fail(f"{run.run_id} has lost a blob")
    assert len(store.runs(limit=100)) == 8


def test_old_runs_are_those_that_nothing_has_happened_to(store: Store, clock: Clock) -> None:
    for name, status in (("old", "finished"), ("failed", "failed"), ("open", "running"), ("touched", "finished")):
        whole(store, name, status, text="x")
    clock.now += 1000
    store.append(Append("touched", (fact("late"),)))
    whole(store, "young", text="x")
    old = Old(clock.now)

    assert {run["run_id"] for run in old_runs(store, old)} == {"old", "failed"}
    assert [run["run_id"] for run in old_runs(store, Old(clock.now, ("failed",)))] == ["failed"]
    assert list(old_runs(store, Old(clock.now, workflow="other"))) == []
    assert {one.run_id for one in prune(store, old)} == {"old", "failed"}
    assert {run.run_id for run in store.runs()} == {"open", "touched", "young"}


def test_pruning_goes_on_over_pages(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithers.store.deleting.PAGE", 3)
    for n in range(8):
        whole(store, f"r{n}", text="x")
    clock.now += 1

    assert len(prune(store, Old(clock.now), most=2)) == 2
    assert len(prune(store, Old(clock.now))) == 6
    assert store.runs() == []
