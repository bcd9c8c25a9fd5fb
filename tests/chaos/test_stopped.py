"""A worker is stopped for longer than its heartbeat, and goes on when another has its steps."""

from __future__ import annotations

import os

import pytest

from tests.chaos.place import Place
from tests.chaos.stopping import stopped_at
from tests.chaos.watching import Watched
from tests.missing import missing


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_worker_that_was_stopped_next_to_another_doubles_nothing(here: Place) -> None:
    """The other sees that the process lives, and waits for it."""
    assert stopped_at(here, "r0-chain5", Watched.wait_for_takeover) == []


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_worker_that_was_stopped_on_another_machine_is_replaced_and_harmless(there: Place) -> None:
    """The other cannot see the process. It begins the bodies again; the first one's answers come too late.

    With PostgreSQL, for a process that was stopped while it wrote to a file would hold the file's lock.
    """
    if os.geteuid() != 0:
        missing("root", "only root may make a pid namespace")

    def others_got_on(watched: Watched) -> None:
        watched.wait_for_progress(10)

    assert stopped_at(there, "r0-fan3", others_got_on, elsewhere=True, zombies=True) == []
