"""When a supervisor leaves: nobody needs it, or its folder has gone."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.server.supervisor import FIRST_HELLO_S
from tests.integration.server.test_deaths import start_workflow, workflow_status
from tests.integration.server.watching import processes_of, wait_until


@pytest.fixture
def short_linger(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setenv("SMITHERS_SERVER_LINGER", "0.2")
    return 0.2


def test_a_server_stays_while_it_is_held_and_leaves_afterwards(project: Project, short_linger: float) -> None:
    with local.ensure(project) as one, local.ensure(project) as two:
        one.close()
        held_until = time.monotonic() + FIRST_HELLO_S + 3 * short_linger
        wait_until(lambda: time.monotonic() > held_until)
        assert not two.is_lost

    wait_until(lambda: processes_of(project.root) == [], within_s=5)
    assert not (project.state / "server" / "supervisor.sock").exists()


def test_a_server_waits_for_an_open_timer(project: Project, short_linger: float) -> None:
    at = time.time() + FIRST_HELLO_S + 1.5
    with local.ensure(project) as server:
        server.keep_until(at)
        server.keep_until(at - 3600)  # an earlier timer does not shorten it

    wait_until(lambda: processes_of(project.root) == [])
    assert time.time() >= at


def test_a_server_stays_for_a_reason_over_restarts_until_that_is_taken_back(
    project: Project, short_linger: float
) -> None:
    at = time.time() + 3600
    with local.ensure(project) as server:
        server.keep_until(at, reason="schedules")
    local.stop(project)
    local.ensure(project).close()
    held_until = time.monotonic() + FIRST_HELLO_S + 3 * short_linger
    wait_until(lambda: time.monotonic() > held_until)
    assert (local.status(project) or {})["keep_until"] == at

    with local.ensure(project) as server:
        server.keep_until(0, reason="schedules")
    wait_until(lambda: local.status(project) is None)


def test_a_look_does_not_keep_a_server(project: Project, short_linger: float) -> None:
    local.ensure(project).close()

    wait_until(lambda: local.status(project) is None)


def test_a_deleted_project_leaves_nothing_running(project: Project) -> None:
    with local.ensure(project) as server:
        shutil.rmtree(project.root)

        wait_until(lambda: processes_of(project.root) == [], within_s=5)
        assert server.is_lost
        assert not project.root.exists()


def test_a_moved_projects_old_server_leaves(project: Project) -> None:
    local.ensure(project).close()
    moved = project.root.rename(project.root.with_name("moved"))

    wait_until(lambda: processes_of(project.root) + processes_of(moved) == [], within_s=5)


def test_a_moved_project_has_its_server_and_data_at_the_new_place(project: Project) -> None:
    with local.ensure(project) as old:
        start_workflow(project, old.address)
        moved = Project(project.root.rename(project.root.with_name("moved")))

        with local.ensure(moved) as new:
            assert new.supervisor_pid != old.supervisor_pid
            assert old.is_lost
            assert workflow_status(moved, new.address) == "RUNNING"
            assert _roots(moved) == {str(moved.root)}
    assert local.stop(moved)


def test_a_project_begun_anew_at_the_same_path_gets_a_server_of_its_own(project: Project) -> None:
    with local.ensure(project) as old:
        shutil.rmtree(project.state)

        with local.ensure(project) as new:
            assert new.supervisor_pid != old.supervisor_pid
            wait_until(lambda: old.is_lost, within_s=5)
            assert not new.is_lost
            wait_until(lambda: len(processes_of(project.root)) == 2)


def _roots(project: Project) -> set[str]:
    status = local.status(project)
    assert status is not None
    assert Path(status["root"]).is_dir()
    return {status["root"]}
