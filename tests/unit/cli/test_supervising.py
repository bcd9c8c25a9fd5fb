"""`supervise` says what is stuck and why, and rings what a ring helps; here nobody hears it, or a bell of the test."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from smithers.cli import supervising
from smithers.engine.entry import Fact, OpenCommand
from smithers.store.records import Append
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage
from tests.unit.temporal.conftest import gone

OLD = ("--stale-threshold", "0s")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    bell: Callable[..., bool] = lambda _project, run: not heard.append(run)  # noqa: E731
    monkeypatch.setattr(supervising, "wake", bell)
    return heard


@pytest.fixture
def unplanned(stage: Stage) -> Stage:
    """Three runs in which an answer waits for its plan."""
    (stage.root / "flow.py").touch()
    for run in ("r1", "r2", "r3"):
        stage.start(release, run)
        stage.end(run, "build")
        stage.call("approve", run)
    time.sleep(0.01)
    return stage


@pytest.mark.feature("cli.supervise.order")
def test_what_nobody_acted_upon_is_rung_the_oldest_first(unplanned: Stage, rung: list[str]) -> None:
    found = unplanned.call("supervise", *OLD, "--json").json
    assert rung == ["r1", "r2", "r3"]
    assert (found["open"], found["stuck"], found["workers"], found["temporalAsked"]) == (3, 3, 0, False)
    first = found["runs"][0]
    assert (first["runId"], first["stuck"], first["unplanned"], first["rung"]) == ("r1", "unplanned", 1, True)
    assert "plan" in [reason["kind"] for reason in first["waits"]]


@pytest.mark.feature("cli.supervise.dry-run")
def test_a_dry_run_rings_nobody(unplanned: Stage, rung: list[str]) -> None:
    assert unplanned.call("supervise", *OLD, "-n", "--json").json["stuck"] == 3
    assert rung == []


@pytest.mark.feature("cli.supervise.max", "cli.supervise.rate")
def test_the_rest_comes_at_a_later_look(unplanned: Stage, rung: list[str]) -> None:
    found = unplanned.call("supervise", *OLD, "-c", "2", "--json").json
    assert rung == ["r1", "r2"]
    assert [run["skipped"] for run in found["runs"]] == [None, None, "rate-limited"]


@pytest.mark.feature("cli.supervise.stale")
def test_what_is_young_is_left_alone(stage: Stage, rung: list[str]) -> None:
    (stage.root / "flow.py").touch()
    stage.start(release, "r1")
    time.sleep(0.01)

    assert stage.call("supervise", "-t", "1h", "--json").json["stuck"] == 0
    assert stage.call("supervise", "--json").json["stuck"] == 0, "half a minute, where nothing is said"
    assert rung == []
    assert stage.call("supervise", "-t", "1ms", "--json").json["stuck"] == 1
    assert rung == ["r1"]


@pytest.mark.feature("cli.supervise.guard-file")
def test_a_run_whose_file_is_gone_is_not_rung(unplanned: Stage, rung: list[str]) -> None:
    (unplanned.root / "flow.py").unlink()
    assert {run["skipped"] for run in unplanned.call("supervise", *OLD, "--json").json["runs"]} == {"missing-workflow"}
    assert rung == []


@pytest.mark.feature("cli.supervise.loop")
def test_without_a_worker_it_says_what_would_help(unplanned: Stage) -> None:
    told = unplanned.call("supervise", *OLD).out
    assert "3 open runs, 3 stuck; 0 workers here." in told
    assert "something was stored that nobody has acted upon" in told
    assert "smithers up --resume r1" in told


@pytest.mark.feature("cli.supervise.q-stale")
def test_a_run_whose_task_somebody_has_begun_is_not_stuck(stage: Stage, rung: list[str]) -> None:
    for run in ("r1", "r2"):
        stage.start(release, run)
    stage.claim("r1", "build")
    time.sleep(0.01)

    found = stage.call("supervise", *OLD, "--all", "--json").json["runs"]

    assert {run["runId"]: run["stuck"] for run in found} == {"r1": None, "r2": "forgotten"}


@pytest.mark.feature("cli.supervise.loop")
def test_claims_of_dead_processes_are_told(stage: Stage, rung: list[str]) -> None:
    stage.start(release, "r1")
    n = stage.command("r1", "build").n
    data = {"n": n, "node": "build", "iteration": "", "attempt": 1, "nth": 1, "worker": gone()}
    stage.store.append(Append("r1", (Fact("claim", "claim:build::a1:1", data, OpenCommand(n, closes=False)),)))
    run = stage.call("supervise", *OLD, "--json").json["runs"][0]
    assert run["deadClaims"] == [{"nodeId": "build", "iteration": "0", "attempt": 1, "worker": gone()}]
    assert "the process that ran build is gone" in stage.call("supervise", *OLD).out


@pytest.mark.feature("cli.supervise.loop")
def test_runs_that_wait_or_are_paused_are_told_only_when_all_are_wanted(stage: Stage, rung: list[str]) -> None:
    for run in ("r1", "r2"):
        stage.start(release, run)
        stage.end(run, "build")
    stage.call("pause", "r2")
    stage.call("approve", "r2")
    assert stage.call("supervise", *OLD, "--json").json["runs"] == []
    shown = stage.call("supervise", *OLD, "--all", "--json").json["runs"]
    assert [(run["runId"], run["status"]) for run in shown] == [("r1", "waiting-approval"), ("r2", "paused")]
    assert [reason["kind"] for reason in shown[0]["waits"]] == ["approval"]
    assert rung == []


@pytest.mark.feature("cli.supervise.loop", "cli.supervise.interval")
def test_with_an_interval_it_looks_again(unplanned: Stage, rung: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("smithers.cli.watching.time.sleep", sleep)
    assert unplanned.call("supervise", *OLD, "--interval", "10s").status == 130
    assert (slept, rung) == ([10.0, 10.0], ["r1", "r2", "r3"] * 2)
