"""Tasks that do harm to their worker fail by themselves and say how. Other runs on that worker do not notice."""

from __future__ import annotations

import json

import pytest

from smithers.store.records import NewRun
from smithers.worker.code import load
from tests.chaos.place import Place
from tests.chaos.watching import Watched

PATIENT = {"chain": 150, "fan": 10, "each_ms": 30}


def stored(here: Place, flow: str, run: str, **given: object) -> None:
    """A run that nobody hosts yet."""
    code = load(here.plant(flow))
    new = NewRun(run, code.workflow.name, {"shown": str(here.root / run), **given}, code.digest, str(code.source))
    with here.made() as store:
        store.create_run(new)


def hosted(here: Place, how: str, **given: object) -> tuple[dict[str, str], list[str]]:
    """A dangerous run and a patient one on one worker, until both are over. Returns the error, and what is wrong."""
    stored(here, "dangers", "danger", how=how, **given)
    stored(here, "storm", "other", **PATIENT)
    here.shown.symlink_to(here.root / "other")
    command = here.begin("start", log="start")
    with Watched(here, "danger") as danger, Watched(here, "other") as other:
        assert danger.wait_for_end(120) == "failed", here.said("start")
        assert other.wait_for_end(90) == "finished", here.said("start")
        here.leave(command)
        worked = len((here.root / "danger").read_text().splitlines())
        found = other.problems(most_extra=worked * PATIENT["fan"])
    shown = json.loads(here.call("inspect", "danger", "--format", "json").out)
    return shown["error"], [*found, *deaths(danger, other)]


def deaths(danger: Watched, other: Watched) -> list[str]:
    """The task that did it dies three times at most; its neighbours are not given up."""
    found = [entry.key for entry in other.log if entry.kind == "ended" and entry.data["outcome"] != "finished"]
    begun = [entry for entry in danger.log if entry.kind == "claim" and entry.data["node"] == "danger"]
    return found if len(begun) <= 3 else [*found, f"the dangerous body was begun {len(begun)} times"]


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("how", "word"), [("fault", "SIGSEGV"), ("exit", "status 3")])
def test_a_task_that_takes_its_worker_with_it_fails_and_says_how(here: Place, how: str, word: str) -> None:
    error, wrong = hosted(here, how)

    assert wrong == []
    assert error["code"] == "KILLED_WORKER"
    assert error["node"] == "danger"
    assert word in error["message"]


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["hold", "regex"])
def test_a_task_that_holds_the_interpreter_is_ended_at_its_timeout(here: Place, how: str) -> None:
    error, wrong = hosted(here, how, timeout="3s")

    assert wrong == []
    assert error["code"] == "TASK_TIMEOUT"
    assert error["node"] == "danger"
