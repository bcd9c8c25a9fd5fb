"""A worker is stopped in the middle of its work for longer than its heartbeat, and goes on when others have taken over."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos import processes
from tests.chaos.place import Place
from tests.chaos.processes import Process, until
from tests.chaos.watching import Watched
from tests.missing import missing

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Another machine, as far as processes can see each other."""
GIVEN = {"rounds": 2, "chain": 40, "fan": 10, "alone": 1, "each_ms": 50}


def stop(worker: Process) -> None:
    processes.kill(worker.pid, number=signal.SIGSTOP)


def go_on(worker: Process) -> None:
    processes.kill(worker.pid, number=signal.SIGCONT)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("node", ["r0-chain5", "r0-fan3"])
def test_a_worker_that_was_stopped_next_to_another_doubles_nothing(here: Place, node: str) -> None:
    """The other sees that the process lives, and waits for it."""
    first = here.up("storm", "r", **GIVEN)
    with Watched(here, "r") as watched:
        line = watched.wait_for_line(node)
        worker = here.worker_of(first)
        assert line.pid == worker.pid
        stop(worker)
        second = here.resume("r")
        until(lambda: here.workers_of(second), "there is another worker")
        watched.wait_for_takeover()
        go_on(worker)
        assert watched.wait_for_end(90) == "finished"

        assert (first.wait(30), second.wait(30)) == (0, 0), here.said("r")
        assert watched.problems(most_extra=0) == []


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("node", ["r0-chain5", "r0-fan3"])
def test_a_worker_that_was_stopped_on_another_machine_is_replaced_and_harmless(here: Place, node: str) -> None:
    """The other cannot see the process. It begins the bodies again; the first one's answers come too late."""
    if os.geteuid() != 0:
        missing("root", "only root may make a pid namespace")
    here.hold_server()
    first = here.up("storm", "r", before=NAMESPACE, **GIVEN)
    with Watched(here, "r", zombies=True) as watched:
        watched.wait_for_line(node)
        worker = here.worker_of(first)
        stop(worker)
        cut_off = watched.in_flight()
        second = here.resume("r")
        watched.wait_for_progress(10, within_s=90)
        go_on(worker)
        assert watched.wait_for_end(90) == "finished"

        assert (first.wait(30), second.wait(30)) == (0, 0), here.said("r")
        assert watched.problems(most_extra=cut_off) == []
