"""Events on their way to a run on a real server."""

from __future__ import annotations

import asyncio
import time

import pytest

from smithers.engine.inbox import Sent
from smithers.store.records import Append
from smithers.temporal.client import connect
from tests.integration.temporal.conftest import Place, until

pytestmark = pytest.mark.timeout(60)


@pytest.mark.feature("waitforevent.delivery")
def test_a_native_signal_is_taken_by_the_wait_for_its_name(place: Place) -> None:
    place.work("awaiting")
    run = place.start("awaiting")
    until(lambda: place.status(run) == "waiting-event")

    async def signal() -> None:
        client = await connect(place.project, place.project.temporal_address)
        await client.get_workflow_handle(run).signal("paid", {"amount": 3})

    asyncio.run(signal())
    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["3"]
    taken = place.entries(run, "signal")[0].seq
    assert (place.store.node(run, "paid").detail or {})["signal"] == taken


@pytest.mark.feature("waitforevent.restart-safe")
def test_a_wait_outlives_its_worker_and_an_event_that_came_meanwhile_is_taken(place: Place) -> None:
    first = place.work("awaiting")
    run = place.start("awaiting")
    until(lambda: place.status(run) == "waiting-event")
    first.stop(0)
    sent = Sent("paid", {"amount": 5}, None, "tester", time.time_ns())
    assert place.store.append(Append(run, (sent.fact,))).outcomes == ("stored",)

    place.work("awaiting").ring(run)

    assert place.end_of(run) == "finished"
    assert place.lines("ran") == ["5"]
    assert place.entries(run, "rejected") == []


def test_the_deadline_is_a_durable_timer(place: Place) -> None:
    first = place.work("awaiting")
    run = place.start("awaiting", timeout="1s")
    until(lambda: place.status(run) == "waiting-event")
    first.stop(0)

    place.work("awaiting").ring(run)

    assert place.end_of(run) == "failed"
    assert (place.store.run(run).error or {})["code"] == "EVENT_TIMEOUT"
