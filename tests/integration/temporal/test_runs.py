"""Runs from the first frame to the last, on a real server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from smithers.temporal import bell
from smithers.temporal.client import connect
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.prepare import reopen
from tests.integration.temporal.conftest import Place, until

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("burst_s", [0, 1])
def test_a_sequence_runs_every_task_once_in_order(place: Place, burst_s: float) -> None:
    place.work("sequence", burst_s=burst_s)
    run = place.start("sequence", n=5)
    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["t0", "t1", "t2", "t3", "t4"]
    owners = {entry.data["owner"] for entry in place.entries(run, "claim")}
    assert owners == ({1} if burst_s else {1, 2, 3, 4, 5})


def test_parallel_tasks_run_once_each(place: Place) -> None:
    place.work("fan")
    run = place.start("fan", n=30)
    assert place.end_of(run) == "finished"
    assert sorted(place.lines("ran")) == sorted(f"p{i}" for i in range(31))
    assert len(place.entries(run, "claim")) == 31


@pytest.mark.feature("approval.resolver", "timer.fired")
def test_a_decision_wakes_the_run_and_a_timer_fires(place: Place) -> None:
    worker = place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")
    place.decide(run, "ok")
    worker.ring(run)
    assert place.end_of(run) == "finished"
    fired, frames = place.entries(run, "fired"), place.entries(run, "frame")
    assert fired[0].at_ms - frames[-3].at_ms >= 100
    assert place.lines("ran") == ["after"]


def test_a_run_that_a_denial_has_failed_is_asked_again_when_it_is_resumed(place: Place) -> None:
    worker = place.work("asking")
    run = place.start("asking")
    for _ in range(2):
        until(lambda: place.status(run) == "waiting-approval")
        place.decide(run, "ok", approved=False)
        worker.ring(run)
        assert place.end_of(run) == "failed"
        until(lambda: described(place, run).status.name == "FAILED")
        reopen(place.store, place.store.run(run), "tester")
        worker.ring(run)
    until(lambda: place.status(run) == "waiting-approval")
    place.decide(run, "ok")
    worker.ring(run)
    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["after"]
    keys = [entry.key for entry in place.entries(run, "decided")]
    assert keys == ["decided:ok:", "decided:ok:#2", "decided:ok:#3"]


def test_a_task_of_its_own_process_runs_in_a_child_workflow(place: Place) -> None:
    place.work("gated")
    run = place.start("gated", isolated=True, n=2)
    until(lambda: len(place.lines("begun")) == 2)
    children = described(place, f"{run}:1:1")
    assert children.workflow_type == "smithers.task"
    place.go()
    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["last"]


def described(place: Place, workflow_id: str) -> Any:
    async def go() -> Any:
        client = await connect(place.project, place.project.temporal_address)
        return await client.get_workflow_handle(workflow_id).describe()

    return asyncio.run(go())


@pytest.mark.parametrize("isolated", [False, True])
def test_a_cancel_in_the_log_stops_bodies_and_ends_the_run(place: Place, isolated: bool) -> None:
    worker = place.work("gated")
    run = place.start("gated", n=3, isolated=isolated)
    until(lambda: len(place.lines("begun")) == 3)
    place.cancel(run)
    worker.ring(run)
    assert place.end_of(run) == "cancelled"
    assert [entry.data for entry in place.entries(run, "ended") if entry.data["outcome"] != "cancelled"] == []
    assert place.lines("ran") == []
    until(lambda: described(place, run).status.name == "COMPLETED")


def test_a_cancel_in_temporal_becomes_a_fact(place: Place) -> None:
    place.work("gated")
    run = place.start("gated", n=2)
    until(lambda: len(place.lines("begun")) == 2)

    async def cancel() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await client.get_workflow_handle(run).cancel()

    asyncio.run(cancel())
    assert place.end_of(run) == "cancelled"
    assert place.entries(run, "cancel")[0].data["by"] == "temporal"
    until(lambda: described(place, run).status.name == "CANCELED")


def test_a_cancel_ends_a_run_that_waits_for_a_timer(place: Place) -> None:
    worker = place.work("asking")
    run = place.start("asking", pause="1h")
    until(lambda: place.status(run) == "waiting-approval")
    place.decide(run, "ok")
    worker.ring(run)
    until(lambda: place.status(run) == "waiting-timer")
    place.cancel(run)
    worker.ring(run)
    assert place.end_of(run) == "cancelled"
    until(lambda: described(place, run).status.name == "COMPLETED")


def test_a_native_signal_becomes_a_fact_once(place: Place) -> None:
    place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")

    async def signal() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await client.get_workflow_handle(run).signal("paid", {"amount": 3})

    asyncio.run(signal())
    until(lambda: place.entries(run, "signal"))
    assert [entry.data for entry in place.entries(run, "signal")] == [{"name": "paid", "payload": {"amount": 3}}]


def test_two_workers_share_a_run(place: Place) -> None:
    place.work("fan", burst_s=0)
    place.work("fan", burst_s=0)
    run = place.start("fan", n=20)
    assert place.end_of(run) == "finished"
    assert sorted(place.lines("ran")) == sorted(f"p{i}" for i in range(21))


def test_a_driver_in_a_worker_without_the_code_sends_tasks_to_where_it_is(place: Place) -> None:
    bare = EmbeddedWorker(place.project, (), store=place.store)
    bare.start()
    place.workers.append(bare)
    run = place.start("sequence")
    until(lambda: waits_for_code(place, run))
    place.work("sequence", burst_s=0)
    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["t0", "t1", "t2"]


def waits_for_code(place: Place, run: str) -> bool:
    """Whether the driver asks the workers of that code for a plan."""
    pending = described(place, run).raw_description.pending_activities
    return any(activity.activity_id.startswith("plan-") for activity in pending)


def test_the_bell_rings_through_a_living_worker_without_the_sdk(place: Place) -> None:
    place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")
    place.decide(run, "ok")
    assert bell.ring_through_worker(place.project, run)
    assert place.end_of(run) == "finished"


def test_a_run_that_is_over_ends_its_driver_and_another_ring_changes_nothing(place: Place) -> None:
    worker = place.work("sequence")
    run = place.start("sequence")
    place.end_of(run)
    until(lambda: described(place, run).status.name == "COMPLETED")
    before = len(place.entries(run))
    worker.ring(run)
    until(lambda: described(place, run).status.name == "COMPLETED")
    assert len(place.entries(run)) == before


def test_stopping_a_worker_hands_its_tasks_to_the_next(place: Place) -> None:
    first = place.work("gated")
    run = place.start("gated")
    until(lambda: place.lines("begun"))
    first.stop(0)
    stopped = time.monotonic()
    place.work("gated")
    until(lambda: len(place.lines("begun")) == 2)
    assert time.monotonic() - stopped < 5
    place.go()
    assert place.end_of(run) == "finished"
    assert [entry.kind for entry in place.entries(run, "released", "died")] == ["released"]
