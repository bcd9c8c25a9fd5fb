"""What people see of a task that waits for its turn in a queue that runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smithers import Approval, Context, Parallel, Subflow, Task, workflow
from smithers.cli.views.why import explain
from smithers.engine.command import Command
from smithers.store.memory import MemoryStore
from smithers.views.children import seen_status, waits_for_people
from smithers.views.model import RunModel
from tests.conformance.store.make import Maker, node
from tests.unit.cli.flows import Text, work
from tests.unit.cli.stage import Stage
from tests.unit.cli.test_viewing import followed
from tests.unit.cli.test_waiting_children import begin

pytestmark = pytest.mark.decision("0024")


@workflow
def shipping(ctx: Context[None]):
    return Task("ship", output=Text, queue="deploys")[work]


@workflow
def asking(ctx: Context[None]):
    return Parallel[Task("ship", output=Text, queue="deploys")[work], Approval("ok", title="Announce it?")]


@workflow
def above(ctx: Context[None]):
    return Subflow("part", workflow=shipping, output=Text)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


def waiting(store: MemoryStore, run: str) -> Maker:
    made = Maker.start(store, run)
    ticket = {"queue": "deploys", "limit": 1, "priority": 3}
    made.plan(Command(1, "turn", "ship", "", 1, payload=ticket), nodes=(node("ship", "waiting-queue", ""),))
    return made


def test_why_says_who_has_the_slots_and_how_many_are_before(store: MemoryStore) -> None:
    for run in ("first", "second", "third"):
        waiting(store, run)

    why = explain(store, store.run("third"), has_worker=False)

    assert why.summary == "It waits for its turn in a queue."
    [reason] = why.reasons
    assert reason.wire() | {"since": ""} == {
        "kind": "turn",
        "text": "ship waits for its turn in queue 'deploys', of which 1 may run at a time: 1 before it.\n"
        "ship of run first has a slot.",
        "nodeId": "ship",
        "iteration": "0",
        "since": "",
        "unblock": "a task of the queue ends",
        "command": "smithers why first",
        "queue": "deploys",
        "limit": 1,
        "before": 1,
        "holders": [{"runId": "first", "nodeId": "ship", "iteration": "0"}],
    }


def hold(stage: Stage) -> None:
    """A run that has the only slot of the queue."""
    stage.start(shipping, "first")
    stage.plan("first")
    assert stage.store.run("first").status == "running"


def test_a_run_that_only_waits_for_its_turn_says_so_and_behind_whom(stage: Stage) -> None:
    hold(stage)
    stage.start(shipping, "second")
    stage.start(shipping, "third")

    [third, second, first] = stage.call("ps", "--json").json["runs"]

    assert (first["status"], first["waitsFor"]) == ("running", None)
    assert (second["status"], second["step"]) == ("waiting-queue", "ship")
    assert second["waitsFor"] == "queue deploys, behind first"
    assert third["waitsFor"] == "queue deploys, behind first +1"
    assert "ship (queue deploys, behind first +1)" in stage.call("ps").out
    found = stage.call("ps", "--status", "waiting-queue", "--json").json["runs"]
    assert [run["runId"] for run in found] == ["third", "second"]
    assert stage.call("inspect", "second", "--json").json["status"] == "waiting-queue"
    assert stage.call("why", "second", "--json").json["status"] == "waiting-queue"
    changes = [one for one in stage.call("events", "second", "--json").records if one["type"] == "RunStatusChanged"]
    assert changes[-1]["status"] == "waiting-queue"
    assert not waits_for_people(stage.store, stage.store.run("second"))


def test_the_first_that_waits_runs_when_its_turn_has_come(stage: Stage) -> None:
    hold(stage)
    stage.start(shipping, "second")
    model, lines = followed(stage, "second")
    assert (model.status, lines) == (
        "waiting-queue",
        ["⧗ ship waits for its turn in queue 'deploys' — smithers why second"],
    )

    stage.end("first", "ship")
    model.take(stage.store.entries("second", model.position))

    assert model.status == "running", "its turn has come; nobody has planned yet"
    stage.plan("second")
    assert stage.store.run("second").status == "running"


def test_a_parent_waits_for_the_turn_of_its_child(stage: Stage) -> None:
    hold(stage)
    stage.start(above, "above")
    begin(stage, "above", "part", shipping)

    assert seen_status(stage.store, stage.store.run("above")) == "waiting-queue"
    [run] = [one for one in stage.call("ps", "--json").json["runs"] if one["runId"] == "above"]
    assert (run["status"], run["step"]) == ("waiting-queue", "part > ship")
    assert run["waitsFor"] == "queue deploys, behind first"
    assert not waits_for_people(stage.store, stage.store.run("above"))


def test_a_question_beside_it_comes_first_and_nobody_leaves_for_it(stage: Stage) -> None:
    hold(stage)
    stage.start(asking, "second")

    run = stage.store.run("second")
    model = RunModel("second", run.workflow, run.created_ms)
    model.take(stage.store.entries("second"))

    assert (run.status, model.status) == ("waiting-approval", "waiting-approval")
    assert stage.call("ps", "--json").json["runs"][0]["waitsFor"] == '"Announce it?"'
    assert not waits_for_people(stage.store, run), "its turn comes without them"
    assert not model.waits_for_person


def test_a_paused_run_gets_no_turn_and_waits_for_people(stage: Stage) -> None:
    hold(stage)
    stage.start(shipping, "second")
    assert stage.call("pause", "second").status == 0
    assert waits_for_people(stage.store, stage.store.run("second"))


@pytest.mark.parametrize(
    ("priority", "says"), [(5, " (priority 5: runs of a lower number come first)"), (3, ""), (1, "")]
)
def test_why_says_that_a_run_lets_others_go_first(store: MemoryStore, priority: int, says: str) -> None:
    made = Maker.start(store, "r", options={"priority": priority})
    made.plan(Command(1, "run", "ship", "", 1), nodes=(node("ship", "running", ""),))

    [reason] = explain(store, made.row, has_worker=True).reasons

    assert reason.text == f"ship (attempt 1) is ready and waits for a worker to take it{says}."
