"""The local Temporal server and its supervisor are killed; runs go on, and long bodies do not notice."""

from __future__ import annotations

import pytest

from tests.chaos.place import Place
from tests.chaos.serving import kill, kills
from tests.chaos.watching import Watched


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_survives_kills_of_the_server_and_the_supervisor(here: Place) -> None:
    assert kills(here, ["server_pid", "pid", "server_pid"]) == []


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
