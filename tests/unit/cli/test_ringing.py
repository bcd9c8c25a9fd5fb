"""Whatever lets a run go on tells the project's worker, if one lives; here its bell is there without a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smithers.project import Project
from tests.unit.cli.flows import awaiting, guarded, nap, release, reviewed
from tests.unit.cli.stage import Stage
from tests.unit.temporal.test_bell import worker


@pytest.fixture
def heard(stage: Stage) -> Iterator[list[str]]:
    """Runs that the bell was rung for."""
    rung: list[str] = []
    with worker(Project(stage.root), rung):
        yield rung


@pytest.mark.feature("approval.cli.approve", "approval.cli.deny")
@pytest.mark.parametrize("words", [("approve", "r1", "publish"), ("deny", "r1", "publish")])
def test_a_decision_tells_the_worker(stage: Stage, heard: list[str], words: tuple[str, ...]) -> None:
    stage.start(release, "r1")
    stage.end("r1", "build")

    assert stage.call(*words, "--json").json["woken"] is True
    assert heard == ["r1"]


@pytest.mark.feature("cli.human.answer-resume", "cli.human.cancel-bridge")
@pytest.mark.parametrize("words", [("answer", "r1", "--value", '{"score": 3}'), ("cancel", "human:r1:review:0")])
def test_an_answer_and_a_request_that_is_cancelled_tell_the_worker(
    stage: Stage, heard: list[str], words: tuple[str, ...]
) -> None:
    stage.start(reviewed, "r1")

    assert stage.call("human", *words, "--json").json["woken"] is True
    assert heard == ["r1"]


@pytest.mark.feature("humantask.exhausted")
def test_of_answers_that_do_not_fit_the_last_one_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(reviewed, "r1")
    stage.call("human", "answer", "r1", "--value", "[]")
    assert heard == []

    stage.call("human", "answer", "r1", "--value", "[]")
    assert heard == ["r1"]


def test_of_several_who_must_approve_the_last_one_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(guarded, "r1")
    first = stage.call("approve", "r1", "--by", "ann", "--scope", "ops")
    assert (heard, "1 more must approve it" in first.out) == ([], True)

    stage.call("approve", "r1", "--by", "bob", "--scope", "ops")
    assert heard == ["r1"]


@pytest.mark.feature("cli.signal.resume")
def test_an_event_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(awaiting, "r1")
    sent = ("signal", "r1", "deploy.completed", "--data", '{"sha": "abc"}', "--correlation", "pr-7")

    assert stage.call(*sent, "--json").json["woken"] is True
    assert "goes on with it" in stage.call(*sent).err
    assert heard == ["r1", "r1"]


@pytest.mark.feature("cli.cancel.run")
def test_a_cancel_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(nap, "r1")

    assert stage.call("cancel", "r1", "--json").json["woken"] is True
    assert heard == ["r1"]


@pytest.mark.feature("cli.retrytask.resume")
def test_a_node_that_is_to_run_again_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(release, "r1")
    stage.end("r1", "build")

    assert stage.call("retry-task", "r1", "build", "--json").json["woken"] is True
    assert heard == ["r1"]


def test_a_run_that_is_unpaused_or_driven_again_tells_the_worker(stage: Stage, heard: list[str]) -> None:
    stage.start(nap, "r1")
    stage.call("pause", "r1")
    assert heard == []

    assert stage.call("unpause", "r1", "--json").json["woken"] is True
    assert stage.call("doctor", "--redrive", "r1", "--json").json["woken"] is True
    assert heard == ["r1", "r1"]
