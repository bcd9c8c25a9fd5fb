"""The local Temporal server or its supervisor is killed. Workers live on, so no body may run twice."""

from __future__ import annotations

import pytest

from tests.chaos import processes
from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.chaos.watching import Watched

ROUND = {"rounds": 3, "chain": 20, "fan": 6, "flaky": 1, "asked": True, "pause": "200ms", "alone": 1, "each_ms": 20}


def kill(here: Place, who: str) -> None:
    """Returns when there is a server again, as it does without any help."""
    before = here.server()
    processes.kill(before[who])

    def is_new() -> bool:
        return here.server()[who] != before[who]

    until(is_new, f"there is another {who}")


@pytest.mark.chaos
@pytest.mark.timeout(120)
@pytest.mark.parametrize("who", ["server_pid", "pid"], ids=["server", "supervisor"])
def test_a_run_survives_kills_of_the(here: Place, who: str) -> None:
    command = here.up("storm", "r", **ROUND)
    with Watched(here, "r") as watched:
        for _ in range(3):
            watched.wait_for_progress(20)
            kill(here, who)
            watched.wait_for_progress()
        assert watched.wait_for_end(90) == "finished"

        assert command.wait(30) == 0, here.said("r")
        assert watched.problems(most_extra=0) == []


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_long_bodies_do_not_notice_that_server_and_supervisor_are_killed(here: Place) -> None:
    command = here.up("storm", "r", chain=0, long_s=14)  # longer than a worker that ends would wait for it
    with Watched(here, "r") as watched:
        watched.wait_for_line("r0-long-here")
        watched.wait_for_line("r0-long-alone")
        kill(here, "server_pid")
        kill(here, "pid")
        assert watched.wait_for_end(60) == "finished"

        assert command.wait(30) == 0, here.said("r")
        assert watched.problems(most_extra=0) == []
