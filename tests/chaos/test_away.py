"""The store is away for a while: nobody loses what was done, nobody does it again, and then it goes on."""

from __future__ import annotations

from functools import partial

import pytest

from smithers.temporal import local
from tests.chaos.away import away, locked, stopped
from tests.chaos.place import Place
from tests.chaos.watching import Watched
from tests.servers.postgres import Cluster

SECONDS = 8.0


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_file_that_another_process_holds(here: Place) -> None:
    assert away(here, partial(locked, here), SECONDS) == []


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_postgresql_that_restarts_and_then_crashes(there: Place, cluster: Cluster) -> None:
    assert away(there, partial(stopped, cluster), SECONDS, before=("fast", "immediate")) == []


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_store_and_server_go_away_together(there: Place, cluster: Cluster) -> None:
    command = there.up("storm", "r", rounds=1, chain=30, fan=4, alone=1, each_ms=20)
    with Watched(there, "r") as watched:
        watched.wait_for_line("r0-chain5")
        with stopped(cluster):
            local.stop(there.project)
            there.server()
        assert watched.wait_for_end(120) == "finished"

        assert command.wait(30) == 0, there.told()
        assert watched.problems(most_extra=0) == []
