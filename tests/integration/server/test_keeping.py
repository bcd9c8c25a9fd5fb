"""A worker's hold outlives supervisors, unless somebody stopped the server on purpose."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from smithers.project import Project
from smithers.temporal import local
from tests.integration.server.watching import processes_of, wait_until


@pytest.fixture
def kept(project: Project) -> Iterator[local.KeptServer]:
    with local.keep(project) as server:
        yield server


def test_a_dead_supervisor_is_replaced_without_being_asked(project: Project, kept: local.KeptServer) -> None:
    address = kept.address
    for _ in range(2):
        dead = kept.server.supervisor_pid
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda dead=dead: kept.server.supervisor_pid != dead)

    assert (local.status(project) or {})["state"] == "ready"
    assert (kept.address, kept.is_lost) == (address, False)


def test_two_keepers_of_a_dead_supervisor_share_the_next_one(project: Project, kept: local.KeptServer) -> None:
    with local.keep(project) as other:
        dead = kept.server.supervisor_pid
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda: dead not in (kept.server.supervisor_pid, other.server.supervisor_pid))

        assert other.server.supervisor_pid == kept.server.supervisor_pid
        wait_until(lambda: len(processes_of(project.root)) == 2)


def test_a_server_that_was_stopped_stays_stopped(project: Project, kept: local.KeptServer) -> None:
    local.stop(project)

    wait_until(lambda: kept.is_lost)
    wait_until(lambda: processes_of(project.root) == [])


def test_a_deleted_project_is_not_made_again(project: Project, kept: local.KeptServer) -> None:
    shutil.rmtree(project.root)

    wait_until(lambda: kept.is_lost)
    assert not project.root.exists()


def test_a_timer_is_told_to_the_supervisor_of_now(project: Project, kept: local.KeptServer) -> None:
    at = time.time() + 3600

    kept.keep_until(at)

    assert (local.status(project) or {})["keep_until"] == at
    assert not kept.is_lost


def test_a_closed_hold_is_gone(project: Project) -> None:
    kept = local.keep(project)
    kept.close()
    kept.close()

    wait_until(lambda: (local.status(project) or {}).get("holders") == 0)


def test_a_server_elsewhere_is_nobodys_to_keep(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")

    with local.keep(project) as kept:
        kept.keep_until(0)
        assert (kept.address, kept.is_lost) == ("temporal.example:7233", False)
