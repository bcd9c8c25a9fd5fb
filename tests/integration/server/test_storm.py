"""Commands come and go, supervisors are stopped and killed, all at once; each command still gets a server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from smithers.project import Project
from smithers.temporal import local
from tests.integration.server.watching import processes_of, start_command, wait_until

SECONDS = 6.0
KILLS = threading.Semaphore(6)
"""Of servers: a supervisor gives up one that dies nine times in a row."""


def come_and_go(project: Project, seed: int, until: float) -> int:
    """How often this command got a server. Any error is the test's failure."""
    chance = random.Random(seed)
    got = 0
    while time.monotonic() < until:
        with local.ensure(project) as server:
            got += 1
            match chance.randrange(12):
                case 0 | 1:
                    with suppress(ProcessLookupError):
                        os.kill(server.supervisor_pid, signal.SIGKILL)
                case 2:
                    local.stop(project)
                case 3 if KILLS.acquire(blocking=False):
                    with suppress(ProcessLookupError):
                        os.kill((local.status(project) or {}).get("server_pid") or 2**22, signal.SIGKILL)
                case _:
                    pass
    return got


@pytest.mark.timeout(90)
def test_a_command_killed_in_the_middle_of_a_start_harms_nobody(project: Project) -> None:
    chance = random.Random(7)
    for _ in range(12):
        with start_command(project) as command:
            with suppress(subprocess.TimeoutExpired):
                command.wait(timeout=0.04 + 0.16 * chance.random())
            command.kill()
        for process in processes_of(project.root):
            if process.is_supervisor and chance.random() < 0.5:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    with local.ensure(project) as server:
        wait_until(lambda: sorted(process.is_server for process in processes_of(project.root)) == [False, True])
        assert (local.status(project) or {})["pid"] == server.supervisor_pid


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_every_command_gets_a_server_in_a_storm(project: Project) -> None:
    until = time.monotonic() + SECONDS

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda seed: come_and_go(project, seed, until), range(4)))

    assert all(counts)
    with local.ensure(project) as server:
        wait_until(lambda: sorted(process.is_server for process in processes_of(project.root)) == [False, True])
        assert (local.status(project) or {})["pid"] == server.supervisor_pid
