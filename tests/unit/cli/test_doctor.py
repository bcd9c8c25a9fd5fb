"""`smithers doctor` finds what keeps runs from going on, and changes nothing by looking."""

from __future__ import annotations

import pytest

from smithers.cli.views import health
from smithers.store.records import Schedule
from smithers.worker.listening import LocalWorker
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage


def states(stage: Stage) -> dict[str, tuple[str, str]]:
    document = stage.call("doctor", "--json").json
    return {check["name"]: (check["state"], check["text"]) for check in document["checks"]}


def test_an_empty_folder_is_healthy_and_stays_empty(stage: Stage):
    answer = stage.call("doctor")

    assert answer.status == 0
    assert "nothing has been run" in answer.out
    assert list(stage.root.iterdir()) == []


def test_a_run_without_a_worker_is_a_note_with_the_command(stage: Stage):
    stage.start(release, "r1")

    assert states(stage)["run r1"] == ("note", "it could go on, but no worker runs here")


def test_a_run_that_waits_for_a_person_is_nothing_to_mention(stage: Stage):
    stage.start(release, "r1")
    stage.end("r1", "build")

    assert "run r1" not in states(stage)


def test_a_fact_that_nobody_acts_upon_is_a_problem(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    stage.start(release, "r1")
    stage.call("cancel", "r1")
    monkeypatch.setattr(health, "STUCK_MS", -1)
    monkeypatch.setattr(health, "local_workers", lambda project: [LocalWorker(1, stage.root)])

    answer = stage.call("doctor")

    assert answer.status == 1
    assert "✗ run r1: something was stored" in answer.out
    assert "smithers doctor --redrive r1" in answer.out


def test_a_task_that_nobody_takes_is_a_problem_until_somebody_does(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    stage.start(release, "r1")
    monkeypatch.setattr(health, "STUCK_MS", -1000)
    monkeypatch.setattr(health, "local_workers", lambda project: [LocalWorker(1, stage.root)])

    assert "build has been ready" in states(stage)["run r1"][1]
    stage.claim("r1", "build")
    assert "run r1" not in states(stage)


def test_a_schedule_whose_last_start_or_last_run_failed_is_told_of(stage: Stage):
    for name in ("broken", "resting", "unlucky", "lucky", "new", "deleted"):
        stage.store.write_schedule(Schedule(name, {"every_s": 60}, {}, paused=name == "resting", note="holidays"))
    for run in ("bad", "good"):
        stage.start(release, run)
    stage.end("bad", "build", error="no disk")
    error = {"code": "WORKFLOW_FILE", "message": "flow.py is gone", "data": {}}
    for name, run, why in [("broken", "", error), ("resting", "", error), ("unlucky", "bad", None)]:
        stage.store.note_start(name, 1, run, why)
    stage.store.note_start("lucky", 1, "good", None)
    stage.store.note_start("deleted", 1, "nobody", None)

    found = stage.call("doctor", "--json").json["checks"]
    told = [(one["name"], one["state"], one["text"], one["advice"]) for one in found if "schedule" in one["name"]]

    assert told[0][:3] == ("schedules", "ok", "6 schedules, 3 of them as they should be")
    assert sorted(told[1:]) == [
        ("schedule broken", "problem", "its last start failed: flow.py is gone", "smithers cron show broken"),
        ("schedule resting", "note", "paused: holidays", "smithers cron unpause resting"),
        ("schedule resting", "problem", "its last start failed: flow.py is gone", "smithers cron show resting"),
        ("schedule unlucky", "note", "its last run bad failed: no disk", "smithers why bad"),
    ]


def test_driving_again_raises_the_epoch_and_says_so_in_the_log(stage: Stage):
    stage.start(release, "r1")

    answer = stage.call("doctor", "--redrive", "r1", "--json")

    assert answer.json == {"runId": "r1", "epoch": 2, "woken": False}
    assert stage.store.entries("r1")[-1].kind == "redriven"


def test_a_server_elsewhere_that_does_not_answer_is_a_problem(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")

    assert states(stage)["temporal server"][0] == "problem"


def test_settings_are_shown_with_where_they_come_from(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    (stage.root / "smithers.toml").write_text("[worker]\nslots = 7\n")
    monkeypatch.setenv("SMITHERS_GRACE_S", "3")

    shown = stage.call("doctor").out
    assert "worker.slots = 7 (smithers.toml:2)" in shown
    assert "worker.grace_s = 3.0 (SMITHERS_GRACE_S)" in shown
    checks = stage.call("doctor", "--json").json["checks"]
    settings = next(check for check in checks if check["name"] == "configuration")["settings"]
    assert settings["worker.burst_s"] == {"value": 1.0, "origin": "default"}


def test_settings_that_cannot_be_used_are_a_problem(stage: Stage):
    (stage.root / "smithers.toml").write_text("[worker]\nslot = 7\n")

    state, text = states(stage)["configuration"]

    assert state == "problem"
    assert "smithers.toml:2: there is no setting 'worker.slot'. Did you mean 'slots'?" in text
