"""Runs: made once, found by id, listed newest first."""

from __future__ import annotations

import pytest

from smithers.engine.entry import EndedRun, Entry
from smithers.errors import RunExists, RunNotFound, WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from tests.conformance.store.conftest import Clock
from tests.conformance.store.make import DIGEST, NOW, Maker, command, fact, new_run, plan

pytestmark = pytest.mark.decision("0014")


@pytest.mark.feature("data.input.persist")
def test_a_new_run_begins_with_its_started_entry(store: Store) -> None:
    made = store.create_run(new_run("r", options={"max_in_flight": 3}))

    assert made == store.run("r")
    assert made == Run(
        run_id="r",
        workflow="ship",
        status="running",
        epoch=1,
        head=1,
        planned=0,
        digest=DIGEST,
        source="/p/flow.py",
        input={"title": "x"},
        options={"max_in_flight": 3},
        created_ms=NOW,
        updated_ms=NOW,
        error=None,
    )
    data = {
        "workflow": "ship",
        "input": {"title": "x"},
        "digest": DIGEST,
        "source": "/p/flow.py",
        "options": {"max_in_flight": 3},
    }
    assert store.entries("r") == [Entry(1, "started", "started", data, NOW)]


def test_a_run_id_is_taken_once(store: Store) -> None:
    store.create_run(new_run("r"))

    with pytest.raises(RunExists):
        store.create_run(new_run("r", workflow="other"))

    assert store.run("r").workflow == "ship"


def test_a_large_input_comes_back_whole(store: Store) -> None:
    large = {"text": "ä" * 400_000}

    store.create_run(new_run("r", input=large))

    assert store.run("r").input == large


def test_an_unknown_run_is_refused_with_the_nearest_ids(store: Store) -> None:
    for run_id in ("ship-20", "ship-21", "other"):
        store.create_run(new_run(run_id))

    with pytest.raises(RunNotFound, match=r"'ship-2[01]'") as caught:
        store.run("ship-2x")

    assert set(caught.value.data["near"]) == {"ship-20", "ship-21"}


def test_reading_of_an_unknown_run_is_refused_everywhere(store: Store) -> None:
    for read in (store.entries, store.open_commands, store.nodes, store.log_lines):
        with pytest.raises(RunNotFound):
            read("nobody")
    with pytest.raises(RunNotFound):
        store.entries_by_key("nobody", "ended:")
    with pytest.raises(RunNotFound):
        store.command("nobody", 1)
    with pytest.raises(RunNotFound):
        store.node("nobody", "build")
    with pytest.raises(RunNotFound):
        store.append(Append("nobody", (fact("x"),)))
    with pytest.raises(RunNotFound):
        store.redrive("nobody")


def test_runs_are_listed_newest_first(store: Store) -> None:
    for number in range(5):
        store.create_run(new_run(f"r{number}"))

    assert [run.run_id for run in store.runs(limit=3)] == ["r4", "r3", "r2"]


def test_runs_are_listed_by_status_and_workflow(store: Store) -> None:
    for run_id, workflow, status in (("a", "x", "finished"), ("b", "x", "failed"), ("c", "y", "finished")):
        store.create_run(new_run(run_id, workflow=workflow))
        Maker(store, run_id).plan(status=status)

    assert [run.run_id for run in store.runs(statuses=["finished"])] == ["c", "a"]
    assert [run.run_id for run in store.runs(statuses=["finished", "failed"], workflow="x")] == ["b", "a"]
    assert store.runs(statuses=["running"]) == []


def test_runs_that_have_ended_are_not_due(store: Store) -> None:
    for status in ("running", "waiting-approval", "waiting-code", "finished", "failed", "cancelled"):
        Maker.start(store, status).plan(status=status)

    assert [run.run_id for run in store.due_runs()] == ["running", "waiting-approval", "waiting-code"]


def test_a_failed_run_says_why(run: Maker) -> None:
    error = {"code": "TASK_FAILED", "message": "no", "node": "build"}

    run.plan(status="failed", error=error)

    assert run.row.error == error


def test_a_resumed_run_is_open_again_at_a_higher_epoch(run: Maker) -> None:
    run.plan(status="failed", error={"code": "X"})

    done = run.append(fact("resumed:1", EndedRun(("failed",))))

    assert (done.outcomes, done.epoch) == (("stored",), 2)
    assert (run.row.status, run.row.epoch, run.row.error) == ("running", 2, None)


def test_a_run_that_goes_on_cannot_be_resumed(run: Maker) -> None:
    assert run.append(fact("resumed:1", EndedRun(("failed",)))).outcomes == ("rejected",)
    assert (run.row.epoch, run.keys) == (1, ["started"])


def test_driving_again_raises_the_epoch_and_says_so(run: Maker, clock: Clock) -> None:
    clock.now += 5

    assert run.store.redrive(run.id, by="ada") == 2

    assert run.log[-1] == Entry(2, "redriven", "redriven:2", {"epoch": 2, "by": "ada"}, NOW + 5)
    assert (run.row.epoch, run.row.head, run.row.status) == (2, 2, "running")


def test_a_run_that_has_ended_is_not_driven_again(run: Maker) -> None:
    run.plan(command(1), status="cancelled")

    with pytest.raises(WrongState):
        run.store.redrive(run.id)

    assert run.row.epoch == 1


def test_a_run_that_is_opened_again_is_not_ended_again_by_what_had_ended_it(run: Maker) -> None:
    run.plan(command(1), command(2, kind="fail"), status="failed")

    run.append(fact("resumed:1", EndedRun(("failed",))))

    assert [row.command.n for row in run.store.open_commands(run.id)] == [1]


def test_epochs_of_all_runs_are_raised_after_a_restore(store: Store) -> None:
    for name in ("open", "over", "ahead"):
        store.create_run(new_run(name))
    store.append(Append("over", plan=plan(0, 1, status="failed")))
    store.redrive("ahead", least=2000)

    assert store.raise_epochs(1000, "ann") == ["open", "ahead"]

    assert {run.run_id: run.epoch for run in store.runs()} == {"open": 1000, "over": 1000, "ahead": 2001}
    assert [entry.kind for entry in store.entries("open")] == ["started", "redriven"]
    assert store.entries("over")[-1].kind == "frame"
