"""Whatever is killed, nothing is lost and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from smithers.errors import ServerError
from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.client import connect
from smithers.temporal.server import binary, starting
from tests.integration.server.watching import end, first_line, processes_of, start_command, wait_until


def start_workflow(project: Project, address: str) -> None:
    async def work() -> None:
        client = await connect(project, address)
        await client.start_workflow("patience", id="kept", task_queue="nobody")

    asyncio.run(work())


def workflow_status(project: Project, address: str) -> str:
    async def work() -> Any:
        client = await connect(project, address)
        return (await client.get_workflow_handle("kept").describe()).status

    return asyncio.run(work()).name


def test_a_killed_supervisor_takes_the_server_along_and_the_next_one_has_its_data(project: Project) -> None:
    with local.ensure(project) as first:
        start_workflow(project, first.address)
        os.kill(first.supervisor_pid, signal.SIGKILL)
        wait_until(lambda: processes_of(project.root) == [], within_s=2)
        assert first.is_lost

        with local.ensure(project) as second:
            assert second.address == first.address
            assert workflow_status(project, second.address) == "RUNNING"


def test_a_killed_supervisor_is_replaced_at_once(project: Project) -> None:
    for _ in range(3):
        with local.ensure(project) as server:
            os.kill(server.supervisor_pid, signal.SIGKILL)
            with local.ensure(project) as again:
                assert again.address == server.address
            wait_until(lambda: [process.is_server for process in processes_of(project.root)].count(True) == 1)


def test_a_killed_server_comes_back_at_its_address_with_its_data(project: Project) -> None:
    with local.ensure(project) as server:
        start_workflow(project, server.address)
        before = local.status(project) or {}
        os.kill(before["server_pid"], signal.SIGKILL)
        wait_until(lambda: (local.status(project) or {}).get("restarts") == 1)

        with local.ensure(project) as again:
            assert (again.address, again.supervisor_pid) == (server.address, server.supervisor_pid)
            assert workflow_status(project, again.address) == "RUNNING"
        assert not server.is_lost


def test_a_killed_command_lets_go(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_SERVER_LINGER", "0.1")
    command = start_command(project)
    first_line(command)

    command.kill()
    end(command)

    wait_until(lambda: processes_of(project.root) == [])


def test_a_terminated_supervisor_stops_its_server(project: Project) -> None:
    with local.ensure(project) as server:
        os.kill(server.supervisor_pid, signal.SIGTERM)

        wait_until(lambda: processes_of(project.root) == [])
        assert server.is_lost
        assert not (project.state / "server" / "state.json").exists()


def test_a_server_that_cannot_start_says_why(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    program = project.root / "temporal"
    program.write_text("#!/bin/sh\necho this is not the day >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("SMITHERS_TEMPORAL_CLI", str(program))

    with pytest.raises(ServerError, match=r"(?s)status 3.*this is not the day") as caught:
        local.ensure(project)

    assert caught.value.code == "SERVER_ERROR"
    wait_until(lambda: processes_of(project.root) == [])


def test_a_server_killed_while_it_starts_is_started_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    program = project.root / "temporal"
    mark = project.root / "killed-once"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *start-dev*) [ -e {mark} ] || {{ touch {mark}; kill -9 $$; }};; esac\n'
        f'exec {binary.find()} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("SMITHERS_TEMPORAL_CLI", str(program))

    with local.ensure(project) as server:
        start_workflow(project, server.address)

    assert mark.exists()


def test_a_start_that_was_killed_in_the_middle_is_no_obstacle(project: Project) -> None:
    folder = project.state / "server"
    folder.mkdir(parents=True)
    (folder / "temporal.db").touch()  # the server makes its tables only where there is no file

    with local.ensure(project) as server:
        start_workflow(project, server.address)


def test_damaged_data_is_named_with_what_to_do(project: Project) -> None:
    local.ensure(project).close()
    local.stop(project)
    folder = project.state / "server"
    for file in folder.glob("temporal.db*"):
        file.unlink()
    (folder / "temporal.db").write_bytes(b"no database " * 1000)

    with pytest.raises(ServerError, match=r"move .*temporal\.db\* away"):
        local.ensure(project)

    (folder / "temporal.db").unlink()
    local.ensure(project).close()


def test_a_folder_that_cannot_be_used_is_named(project: Project) -> None:
    project.state.write_text("a file")

    with pytest.raises(ServerError, match=r"cannot be started in .*\.smithers/server: "):
        local.ensure(project)


def test_a_command_of_a_deleted_project_does_not_make_it_again(project: Project) -> None:
    project.root.rmdir()

    with pytest.raises(ServerError, match="No such file"):
        local.ensure(project)

    assert not project.root.exists()


def test_a_supervisor_that_breaks_at_its_start_is_not_tried_for_ever(project: Project) -> None:
    (project.state / "server" / "data.json").mkdir(parents=True)  # cannot be replaced by a file

    with pytest.raises(ServerError, match=r"(?s)ends at its start.*supervisor\.log"):
        local.ensure(project)

    wait_until(lambda: processes_of(project.root) == [])


def test_a_supervisor_that_cannot_begin_is_reported_with_what_it_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has forked by then, so that its exit status tells nobody."""
    broken = starting._BOOT.replace("supervisor import", "nowhere import")
    monkeypatch.setattr(starting, "_BOOT", broken)

    with pytest.raises(ServerError, match="nowhere"):
        local.ensure(project)
