"""People and timers do not wait for long bodies, though these hold every slot of the only worker."""

from __future__ import annotations

import pytest

from tests.integration.temporal.conftest import Place, until

pytestmark = pytest.mark.timeout(60)


def test_decisions_and_timers_go_on_while_a_body_holds_the_only_slot(place: Place) -> None:
    worker = place.work("beside", slots=1)
    run = place.start("beside")
    until(lambda: place.lines("begun"))

    place.decide(run, "ok")
    worker.ring(run)
    until(lambda: place.store.node(run, "short").state == "finished")
    place.decide(run, "again")
    worker.ring(run)
    until(lambda: place.store.node(run, "again").state == "finished")
    assert place.store.node(run, "held").state == "running"

    place.go()
    assert place.end_of(run) == "finished"
