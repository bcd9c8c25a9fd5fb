"""Worker processes that die, and what the next one finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from smithers.temporal.identity import Identity
from tests.integration.temporal.conftest import FLOWS, Place, until

pytestmark = pytest.mark.timeout(90)
Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn(place: Place) -> Iterator[Spawn]:
    """Starts worker processes; they are gone at the end of the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(flow: str, *, guarded: bool = False) -> subprocess.Popen[bytes]:
        serve = [] if guarded else ["--serve"]
        where = [str(place.project.root), str(FLOWS / f"{flow}.py")]
        command = [sys.executable, "-m", "smithers.worker.host", *serve, *where]
        process = subprocess.Popen(command, start_new_session=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ready(place: Place) -> bool:
    return any((place.project.state / "bells").glob("*.sock"))


def begin(place: Place, flow: str, **input: Any) -> str:
    from smithers.temporal import bell

    until(lambda: ready(place))
    run = place.start(flow, **input)
    until(lambda: bell.ring_through_worker(place.project, run))
    return run


def test_a_killed_workers_task_runs_again_at_once_and_alone(place: Place, spawn: Spawn) -> None:
    first = spawn("gated")
    run = begin(place, "gated")
    until(lambda: place.lines("begun"))
    first.kill()
    first.wait()
    born = time.monotonic()
    spawn("gated")
    until(lambda: len(place.lines("begun")) == 2)
    taken_s = time.monotonic() - born
    place.go()
    assert place.end_of(run) == "finished"
    assert place.lines("begun") == ["g0:1", "g0:2"]
    assert len(place.entries(run, "died")) == 1
    assert taken_s < 10, taken_s


def test_any_number_of_killed_workers_leaves_a_task_of_its_own_process_its_tries(place: Place, spawn: Spawn) -> None:
    worker = spawn("gated")
    run = begin(place, "gated", isolated=True)
    for kills in range(1, 5):
        until(lambda kills=kills: len(place.lines("begun")) == kills)
        worker.kill()
        worker.wait()
        worker = spawn("gated")
    until(lambda: len(place.lines("begun")) == 5)
    place.go()
    assert place.end_of(run) == "finished"
    assert place.lines("begun") == [f"g0:{delivery}" for delivery in range(1, 6)]
    assert (len(place.entries(run, "died")), len(place.entries(run, "released"))) == (0, 4)


def test_a_guard_starts_a_worker_that_dies_and_the_run_goes_on(place: Place, spawn: Spawn) -> None:
    spawn("killer", guarded=True)
    run = begin(place, "killer", deaths=1)
    assert place.end_of(run) == "finished"
    assert len(place.entries(run, "died")) == 1


def test_a_task_that_kills_every_process_it_gets_fails_after_three(place: Place, spawn: Spawn) -> None:
    spawn("killer", guarded=True)
    run = begin(place, "killer", deaths=99)
    assert place.end_of(run, 60) == "failed"
    assert place.store.run(run).error["code"] == "KILLED_WORKER"  # type: ignore[index]
    assert len(place.lines("ran")) == 3


def test_a_driver_that_was_cached_by_a_dead_worker_is_woken_at_once(place: Place, spawn: Spawn) -> None:
    first = spawn("asking")
    run = begin(place, "asking")
    until(lambda: place.status(run) == "waiting-approval")
    first.kill()
    first.wait()
    place.work("asking")
    place.decide(run, "ok")
    place.workers[-1].ring(run)
    assert place.end_of(run, 8) == "finished"


@pytest.mark.slow
def test_a_task_that_holds_the_interpreter_costs_its_process(place: Place, spawn: Spawn) -> None:
    spawn("holder", guarded=True)
    run = begin(place, "holder")
    assert place.end_of(run, 60) == "finished"
    assert place.lines("ran") == ["1", "2"]


def test_a_worker_dies_with_its_guard(place: Place, spawn: Spawn) -> None:
    guard = spawn("gated", guarded=True)
    begin(place, "gated")
    [ledger] = (place.project.state / "workers").iterdir()
    worker = Identity.read(ledger.name)
    assert worker is not None
    assert worker.standing() == "alive"
    guard.kill()
    until(lambda: worker.standing() == "gone")
