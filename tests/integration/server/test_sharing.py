"""Many commands, one server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.server import binary
from tests.integration.server.watching import COMMAND, end, first_line, processes_of, start_command, wait_until


def test_commands_that_start_at_once_share_one_server(project: Project) -> None:
    commands = [start_command(project) for _ in range(4)]

    lines = [first_line(command) for command in commands]

    assert len(set(lines)) == 1
    assert lines[0].startswith("127.0.0.1:")
    wait_until(lambda: sorted(process.is_server for process in processes_of(project.root)) == [False, True])
    for command in commands:
        end(command)


def test_threads_of_one_command_share_one_server(project: Project) -> None:
    servers: list[local.LocalServer] = []
    threads = [threading.Thread(target=lambda: servers.append(local.ensure(project))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({(server.address, server.supervisor_pid) for server in servers}) == 1
    for server in servers:
        server.close()


def test_the_first_half_returns_before_the_server_is_ready(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = project.root / "temporal"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {binary.at_hand()} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("SMITHERS_TEMPORAL_CLI", str(slow))

    wait = local.ensure_soon(project)
    began = time.monotonic()

    with wait() as server:
        assert time.monotonic() - began > 0.1
        assert (local.status(project) or {})["address"] == server.address


def test_projects_have_servers_of_their_own(project: Project) -> None:
    other = Project(project.root / "inner")
    other.root.mkdir()

    with local.ensure(project) as one, local.ensure(other) as two:
        assert one.address != two.address

    assert local.stop(other)


def test_a_command_with_piped_output_ends_while_the_server_stays(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(project.root)],
        input="",
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert done.stdout.startswith("127.0.0.1:")
    assert done.stderr == ""
    assert local.status(project) is not None


def test_nothing_of_a_command_is_inherited(project: Project, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, local.ensure(project):
        name = str(tmp_path / "file")
        open_files = [str(link.readlink()) for link in _descriptors(project)]

        assert file.name == name
        assert name not in open_files
        assert not any(place.startswith(("/dev/pts", "/dev/tty")) for place in open_files)


def test_no_secret_reaches_the_supervisor_or_the_server(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    with local.ensure(project):
        environments = [Path(f"/proc/{p.pid}/environ").read_bytes() for p in processes_of(project.root)]

    assert len(environments) >= 2
    assert not any(b"very-secret" in environment for environment in environments)


def test_files_are_for_their_owner_only(project: Project) -> None:
    with local.ensure(project):
        folder = project.state / "server"
        modes = {path.name: path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]}

    assert {name: mode for name, mode in modes.items() if mode and not name.endswith(".log")} == {}


def test_a_deep_folder_is_no_problem_for_the_socket(project: Project) -> None:
    deep = Project(project.root / ("a" * 90) / ("b" * 90))
    deep.root.mkdir(parents=True)

    with local.ensure(deep) as server, local.ensure(deep) as again:
        assert again.supervisor_pid == server.supervisor_pid

    assert local.stop(deep)


def test_another_servers_address_is_taken_as_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")

    with local.ensure(project) as server:
        server.keep_until(0)
        assert (server.address, server.is_lost) == ("temporal.example:7233", False)

    assert not project.state.exists()


def test_reading_commands_make_nothing(project: Project) -> None:
    assert local.status(project) is None
    assert local.stop(project) is False
    assert not project.state.exists()


def test_a_command_that_comes_while_a_server_stops_gets_the_next_one(project: Project) -> None:
    with local.ensure(project) as first:
        stopping = threading.Thread(target=local.stop, args=(project,))
        stopping.start()
        wait_until(lambda: not (project.state / "server" / "supervisor.sock").exists())
        with local.ensure(project) as second:
            assert second.supervisor_pid != first.supervisor_pid
            assert second.address == first.address
            assert first.is_lost
        stopping.join()


def _descriptors(project: Project) -> list[Path]:
    return [link for process in processes_of(project.root) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
