"""Whose task a free worker gets, where those of several runs wait; on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest

from smithers import start
from smithers.engine.entry import Json
from smithers.errors import InputError
from smithers.store.records import NewRun, Schedule
from smithers.temporal.client import connect
from smithers.worker.scheduling import Scheduler
from tests.integration.temporal.conftest import FLOWS, Place, code, until

pytestmark = pytest.mark.timeout(60)


def begin(place: Place, name: str, n: int, options: Json | None = None) -> str:
    loaded = code("slow")
    run = f"{place.project.name}-{name}"
    given = {"folder": str(place.folder), "name": name, "n": n}
    place.store.create_run(NewRun(run, loaded.workflow.name, given, loaded.digest, str(loaded.source), options or {}))
    place.workers[-1].ring(run)
    return run


def priority_in_temporal(place: Place, run: str) -> tuple[int, str]:
    async def ask() -> Any:
        client = await connect(place.project, place.project.temporal_address)
        request = DescribeWorkflowExecutionRequest(namespace=client.namespace)
        request.execution.workflow_id = run
        return (await client.workflow_service.describe_workflow_execution(request)).workflow_execution_info.priority

    found = asyncio.run(ask())
    return found.priority_key, found.fairness_key


def test_a_run_with_many_tasks_does_not_hold_up_another(place: Place) -> None:
    place.work("slow", slots=2)
    begin(place, "many", 60)
    until(lambda: len(place.lines("ran")) >= 4)
    few = begin(place, "few", 4)
    assert place.end_of(few) == "finished"
    assert place.lines("ran").count("many") < 40


@pytest.mark.feature("sched.noprio")
def test_what_is_more_urgent_goes_first_and_what_is_less_goes_last(place: Place) -> None:
    place.work("slow", slots=2)
    begin(place, "many", 40)
    until(lambda: len(place.lines("ran")) >= 4)
    last = begin(place, "last", 4, {"priority": 5})
    first = begin(place, "first", 8, {"priority": 1})
    assert {place.end_of(first), place.end_of(last)} == {"finished"}
    ran = place.lines("ran")
    assert ran.index("last") > len(ran) - 1 - ran[::-1].index("first"), (
        "the last of `first` is before the first of `last`"
    )
    assert ran[: len(ran) - 1 - ran[::-1].index("first")].count("many") < 25
    assert ran[: ran.index("last")].count("many") > 30


@pytest.mark.parametrize("priority", [0, 6, -1])
def test_a_priority_out_of_range_is_refused(place: Place, priority: int) -> None:
    with pytest.raises(InputError, match=f"priority={priority} is not from 1 to 5"):
        asyncio.run(start(FLOWS / "slow.py", {}, priority=priority, project=place.project.root))
    assert place.store.runs() == []


def test_a_run_keeps_its_priority_and_takes_turns_under_its_id(place: Place) -> None:
    async def go() -> str:
        given = {"folder": str(place.folder), "name": "x", "n": 1}
        run = f"{place.project.name}-urgent"
        async with await start(FLOWS / "slow.py", given, run_id=run, priority=2, project=place.project.root) as handle:
            await handle.result()
        return run

    run = asyncio.run(go())
    assert place.store.run(run).options == {"priority": 2}
    assert priority_in_temporal(place, run) == (2, run)


def test_a_scheduled_run_has_the_priority_of_its_schedule(place: Place) -> None:
    file = str(Path(FLOWS / "slow.py"))
    request = {
        "file": file,
        "input": {"folder": "x", "name": "x"},
        "options": {"priority": 4},
        "tags": {},
        "workflow": "",
    }
    place.store.write_schedule(Schedule("nightly", {}, request))
    made = Scheduler(place.project, place.store, lambda code: None).start("nightly", 0)
    assert made["priority"] == {"priority_key": 4, "fairness_key": made["run"]}
