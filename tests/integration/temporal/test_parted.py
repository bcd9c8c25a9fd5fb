"""What `doctor` finds where Temporal and the store have parted; each case on a real server."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from smithers.cli.views import parted
from smithers.errors import WorkflowTaken
from smithers.store.records import NewRun
from smithers.temporal import ringing
from smithers.temporal.client import connect
from tests.integration.temporal.conftest import Place, code, until

pytestmark = pytest.mark.timeout(60)


def found(place: Place) -> dict[str, str]:
    every = parted.look_for_parted(place.project, place.store, place.project.temporal_address)
    return {one.run_id: one.why for one in every}


def waiting(place: Place) -> str:
    place.work("asking")
    run = place.start("asking")
    until(lambda: place.status(run) == "waiting-approval")
    return run


def test_nothing_is_said_of_a_run_that_is_driven(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parted, "OLD_MS", -1)
    waiting(place)
    until(lambda: found(place) == {})


def test_an_open_run_without_a_driver_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = place.start("asking")
    assert found(place) == {}
    monkeypatch.setattr(parted, "OLD_MS", -1)
    assert found(place) == {run: "undriven"}


def test_a_driver_of_a_later_epoch_than_the_log_is_found(place: Place) -> None:
    run = waiting(place)
    place.store.redrive(run, least=7)
    place.workers[0].ring(run)
    until(lambda: place.entries(run)[-1].kind == "frame")
    place.workers.pop().stop(0)
    with closing(sqlite3.connect(place.project.state / "smithers.db")) as connection, connection:
        connection.execute("UPDATE runs SET epoch = 3")
    until(lambda: found(place) == {run: "epoch"})


def test_a_driver_of_a_run_that_the_store_does_not_know_is_found_and_ends(place: Place) -> None:
    from smithers.store.memory import MemoryStore

    elsewhere = MemoryStore()
    asking = code("asking")
    run = f"{place.project.name}-gone"
    new = NewRun(run, asking.workflow.name, {"folder": str(place.folder)}, asking.digest, str(asking.source))
    elsewhere.create_run(new)

    async def ring() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await ringing.ring(client, place.project.name, elsewhere.run(run))

    asyncio.run(ring())
    until(lambda: found(place) == {run: "unknown"})
    place.work("asking")
    until(lambda: found(place) == {})
    elsewhere.close()


def test_a_new_run_whose_id_another_project_has_in_temporal_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = place.start("asking", "shared")

    async def ring_there() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await ringing.ring(client, "elsewhere", place.store.run(other))

    asyncio.run(ring_there())
    worker = place.work("asking")
    with pytest.raises(WorkflowTaken, match=f"{other}.*the queue 'smithers-elsewhere', which is not this") as refused:
        worker.ring(other)

    assert refused.value.data == {"run": other, "queue": "smithers-elsewhere", "namespace": "default"}
    assert place.store.run(other).status == "running"
