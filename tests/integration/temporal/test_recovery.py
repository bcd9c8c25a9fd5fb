"""What was lost is found again: bells, Temporal's data, a history that got too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smithers.engine.entry import Fact
from smithers.store.records import Append
from smithers.temporal.client import connect
from tests.integration.temporal.conftest import Place, code, until
from tests.servers.temporal import OwnServer

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def own_server(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnServer]:
    """Continues as new after some sixty events."""
    server = OwnServer(tmp_path / "server", {"limit.historyCount.suggestContinueAsNew": "60"})
    server.start()
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    yield server
    for worker in place.workers:
        worker.stop(0)
    place.workers.clear()
    server.kill()


def test_a_lost_bell_is_found_by_the_sweeper(place: Place) -> None:
    place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")
    place.decide(run, "ok")
    assert place.end_of(run) == "finished"


def test_a_run_whose_first_bell_was_lost_is_started_by_the_sweeper(place: Place) -> None:
    run = place.start("sequence")
    place.work("sequence")
    assert place.end_of(run) == "finished"


def test_a_driver_that_was_terminated_is_started_again(place: Place) -> None:
    place.work("gated")
    run = place.start("gated", n=2)
    until(lambda: len(place.lines("begun")) == 2)

    async def terminate() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await client.get_workflow_handle(run).terminate()

    asyncio.run(terminate())
    place.go()
    assert place.end_of(run, 60) == "finished"
    assert sorted(place.lines("begun")) == ["g0:1", "g1:1"]


def test_runs_go_on_when_temporal_has_lost_everything(place: Place, own_server: OwnServer) -> None:
    place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")
    own_server.lose_everything()
    place.decide(run, "ok")
    assert place.end_of(run, 60) == "finished"


def test_a_long_run_continues_as_new_and_no_task_runs_twice(place: Place, own_server: OwnServer) -> None:
    place.work("sequence", burst_s=0)
    run = place.start("sequence", n=120)
    assert place.end_of(run, 60) == "finished"
    assert place.lines("ran") == [f"t{i}" for i in range(120)]
    assert len(runs_of(place, run)) >= 2


def test_long_tasks_outlive_the_drivers_temporal_run(place: Place, own_server: OwnServer) -> None:
    """A child that an earlier Temporal run has started ends, and the later one goes on."""
    worker = place.work("gated", burst_s=0)
    run = place.start("gated", n=2, isolated=True)
    until(lambda: len(place.lines("begun")) == 2)
    time.sleep(1)
    until(lambda: ring_and_count(place, worker.ring, run) >= 2, 40)
    place.go()
    assert place.end_of(run, 60) == "finished"
    assert sorted(place.lines("begun")) == ["g0:1", "g1:1"]


def ring_and_count(place: Place, ring: object, run: str) -> int:
    ring(run)  # type: ignore[operator]
    return len(runs_of(place, run))


def runs_of(place: Place, run: str) -> list[str]:
    async def go() -> list[str]:
        client = await connect(place.project, place.project.temporal_address)
        return [one.run_id async for one in client.list_workflows(f"WorkflowId='{run}'")]

    return asyncio.run(go())


def test_a_run_follows_other_code_when_it_is_asked_to(place: Place, tmp_path: Path) -> None:
    """Its step waits for code that nobody holds; then new code is followed, and everything goes on there."""
    place.work("sequence")
    held = code("gated")
    run = place.start("gated")
    until(lambda: place.entries(run, "started"))
    other = place.folder / "other.py"
    other.write_text(held.source.read_text() + "\n# changed\n")
    from smithers.worker.code import load

    changed = load(other)
    data = {"digest": changed.digest, "source": str(other)}
    place.store.append(Append(run, (Fact("follow", f"follow:{changed.digest}", data),)))
    place.workers[0].hold(changed)
    place.workers[0].ring(run)
    until(lambda: place.lines("begun"))
    place.go()
    assert place.end_of(run) == "finished"
