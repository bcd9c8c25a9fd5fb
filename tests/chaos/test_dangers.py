"""Tasks that do harm to their worker fail by themselves and say how. Other runs on that worker do not notice."""

from __future__ import annotations

from typing import Any

import pytest

from smithers.store.records import NewRun
from smithers.worker.code import load
from tests.chaos.place import Place
from tests.chaos.watching import Watched

PATIENT = {"chain": 80, "fan": 6, "each_ms": 30}


def stored(here: Place, flow: str, run: str, **given: object) -> None:
    """A run that nobody hosts yet."""
    code = load(here.plant(flow))
    new = NewRun(run, code.workflow.name, {"shown": str(here.root / run), **given}, code.digest, str(code.source))
    with here.made() as store:
        store.create_run(new)


def errors_of(here: Place, dangers: tuple[str, ...], **given: object) -> dict[str, Any]:
    """Hosts dangerous runs and a patient one on one worker until all are over. How the dangerous ones have failed."""
    for how in dangers:
        stored(here, "dangers", how, how=how, **given)
    stored(here, "storm", "other", **PATIENT)
    here.shown.symlink_to(here.root / "other")
    command = here.begin("start", log="start")
    with Watched(here, "other") as other:
        assert other.wait_for_end(120) == "finished", here.told()
        assert other.problems(most_extra=PATIENT["fan"] * len(dangers)) == []
        failed = {how: error_of(here, how) for how in dangers}
        here.leave(command)
    return failed


def error_of(here: Place, how: str) -> Any:
    """Its error. The dangerous body has run three times at most."""
    danger = Watched(here, how)
    assert danger.wait_for_status(120) == "failed", here.told()
    assert len((here.root / how).read_text().splitlines()) <= 3
    return here.open().run(how).error


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("how", "word"), [("fault", "SIGSEGV"), ("exit", "exit status 3")])
def test_a_task_that_takes_its_worker_with_it_fails_and_says_how(here: Place, how: str, word: str) -> None:
    error = errors_of(here, (how,))[how]

    assert error["code"] == "KILLED_WORKER"
    assert error["node"] == "danger"
    assert word in error["message"]


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_tasks_that_hold_the_interpreter_are_ended_at_their_timeout(here: Place) -> None:
    errors = errors_of(here, ("hold", "regex"), timeout="3s")

    assert {error["code"] for error in errors.values()} == {"TASK_TIMEOUT"}
    assert {error["node"] for error in errors.values()} == {"danger"}
