"""Pause and unpause: facts in the store, with nothing running, and what commands say of a paused run."""

from __future__ import annotations

import pytest

from smithers.engine.entry import Fact, OpenRun
from smithers.store.records import Append
from smithers.views.model import RunModel
from tests.unit.cli.flows import nap, release
from tests.unit.cli.stage import Stage


@pytest.fixture
def paused(stage: Stage) -> Stage:
    stage.start(release, "r1")
    assert stage.call("pause", "r1", "--note", "the freeze", "--by", "bob").status == 0
    return stage


def test_a_pause_is_a_fact_with_who_and_why(paused: Stage) -> None:
    assert paused.store.run("r1").status == "paused"
    assert [entry.data for entry in paused.store.entries_by_key("r1", "paused:")] == [
        {"by": "bob", "note": "the freeze"}
    ]
    again = paused.call("pause", "r1", "--json")
    assert (again.status, again.json["repeated"], again.json["paused"]["by"]) == (0, True, "bob")


def test_unpausing_leaves_what_was_due_to_the_next_plan(paused: Stage) -> None:
    paused.answer("r1", "build", "finished", {"text": "built"})
    assert paused.store.run("r1").status == "paused"
    assert paused.call("output", "r1", "build").json == {"text": "built"}

    answer = paused.call("unpause", "r1", "--json")

    assert (answer.status, answer.json) == (0, {"runId": "r1", "paused": None, "woken": False})
    assert paused.store.run("r1").status == "running"
    paused.plan("r1")
    assert paused.store.run("r1").status == "waiting-approval"


def test_a_run_can_be_paused_again(paused: Stage) -> None:
    paused.call("unpause", "r1")
    paused.call("pause", "r1", "--note", "again")
    keys = [entry.key for entry in paused.store.entries("r1") if "paused" in entry.kind]
    assert keys == ["paused:1", "unpaused:1", "paused:2"]
    assert paused.call("inspect", "r1", "--json").json["paused"]["note"] == "again"


def test_what_is_wrong_is_refused_with_the_state_found(paused: Stage) -> None:
    paused.call("unpause", "r1")
    not_paused = paused.call("unpause", "r1", "--json")
    assert (not_paused.status, not_paused.error["data"]["status"]) == (4, "running")
    paused.end("r1", "build", error="no")
    for word in ("pause", "unpause"):
        refused = paused.call(word, "r1")
        assert refused.status == 4
        assert "it is failed" in refused.err


@pytest.mark.feature("cli.global.exit4")
def test_a_run_that_is_being_cancelled_is_not_paused_whoever_is_quicker(stage: Stage) -> None:
    stage.start(release, "r1")
    before = stage.store.run("r1")
    stage.call("cancel", "r1", "--by", "bob")

    refused = stage.call("pause", "r1", "--json")
    assert (refused.status, refused.error["code"], refused.error["data"]["by"]) == (4, "WRONG_STATE", "bob")
    late = Append("r1", (Fact("paused", "paused:1", {"by": "ann"}, OpenRun(paused=False, unless="cancel")),))
    assert stage.store.append(late).outcomes == ("rejected",)
    assert (stage.store.run("r1").status, stage.store.run("r1").head) == (before.status, before.head + 1)
    stage.plan("r1")
    stage.answer("r1", "build", "cancelled")
    assert stage.store.run("r1").status == "cancelled"


def test_every_command_that_looks_says_so(paused: Stage) -> None:
    assert paused.call("ps", "--status", "paused", "--json").json["runs"][0]["status"] == "paused"
    shown = paused.call("inspect", "r1").out
    assert "status    paused" in shown
    assert "paused    by bob" in shown
    assert "the freeze" in shown
    why = paused.call("why", "r1", "--json").json
    assert why["summary"].startswith("It waits for somebody to unpause it")
    pause = next(reason for reason in why["reasons"] if reason["kind"] == "pause")
    assert (pause["command"], pause["pause"]["note"]) == ("smithers unpause r1", "the freeze")
    checks = paused.call("doctor", "--json").json["checks"]
    assert next(check["advice"] for check in checks if check["name"] == "run r1") == "smithers unpause r1"


def test_the_events_tell_both(paused: Stage) -> None:
    paused.call("unpause", "r1", "--by", "ann")
    events = paused.call("events", "r1", "--json").records
    told = [(e["type"], e.get("by") or e.get("status")) for e in events if "ause" in e["type"] or "Status" in e["type"]]
    assert told[-4:] == [
        ("RunPaused", "bob"),
        ("RunStatusChanged", "paused"),
        ("RunUnpaused", "ann"),
        ("RunStatusChanged", "running"),
    ]


def test_a_paused_run_needs_no_worker_and_its_answers_say_when_they_count(stage: Stage) -> None:
    stage.start(release, "r1")
    stage.end("r1", "build")
    stage.call("pause", "r1")
    assert stage.call("approve", "r1").status == 0
    why = stage.call("why", "r1").out
    assert "acted upon when the run goes on" in why
    assert "No worker" not in why


def test_cancel_ends_a_pause(paused: Stage) -> None:
    assert paused.call("cancel", "r1").status == 2
    assert paused.store.run("r1").status == "running"
    assert paused.call("unpause", "r1").status == 4


def test_a_viewer_leaves_a_paused_run_once_nothing_runs_in_it(stage: Stage) -> None:
    stage.start(release, "r1")
    stage.claim("r1", "build")
    stage.call("pause", "r1")
    model = RunModel("r1", "release", 0)
    model.take(stage.store.entries("r1"))
    assert (model.status, model.waits_for_person) == ("paused", False)
    stage.answer("r1", "build", "finished", {})
    model.take(stage.store.entries("r1", after=model.position))
    assert (model.status, model.waits_for_person) == ("paused", True)
    stage.call("unpause", "r1")
    model.take(stage.store.entries("r1", after=model.position))
    assert (model.status, model.waits_for_person) == ("running", False)


def test_what_is_put_back_does_not_keep_a_viewer(stage: Stage) -> None:
    stage.start(nap, "r1")
    stage.call("pause", "r1")
    model = RunModel("r1", "nap", 0)
    model.seen("after", "").state = "running"
    stage.store.append(Append("r1", (Fact("settled", "settled:9", {"n": 9, "node": "after", "iteration": ""}),)))
    model.take(stage.store.entries("r1"))
    assert model.waits_for_person


def test_a_task_that_fails_in_a_pause_is_shown_as_not_running(paused: Stage) -> None:
    paused.answer("r1", "build", "failed", {"code": "X", "message": "no", "retryable": True})
    assert paused.store.node("r1", "build").state == "pending"
    paused.call("unpause", "r1")
    paused.plan("r1")
    assert paused.store.node("r1", "build").state == "running"
