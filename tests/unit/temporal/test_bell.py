"""The bell rings through whoever lives, and cleans up after those who do not."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smithers.errors import RunNotFound
from smithers.project import Project
from smithers.temporal import bell
from smithers.temporal.bell import Bell

pytestmark = pytest.mark.decision("0030")


@contextmanager
def worker(project: Project, heard: list[str]) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def ringer(run_id: str) -> None:
        if run_id == "nobody":
            raise RunNotFound
        heard.append(run_id)

    there = Bell(project, ringer)
    asyncio.run_coroutine_threadsafe(there.open(), loop).result(5)
    yield
    asyncio.run_coroutine_threadsafe(there.close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_living_worker_rings(tmp_path: Path) -> None:
    heard: list[str] = []
    project = Project(tmp_path)
    with worker(project, heard):
        assert bell.ring_through_worker(project, "r1")
    assert heard == ["r1"]
    assert not bell.ring_through_worker(project, "r1")


def test_a_worker_that_cannot_ring_says_so(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with worker(project, []):
        assert not bell.ring_through_worker(project, "nobody")


def test_a_path_that_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("longer" * 15)
    folder.mkdir(parents=True)
    heard: list[str] = []
    with worker(Project(folder), heard):
        assert bell.ring_through_worker(Project(folder), "r1")
    assert heard == ["r1"]


def test_the_bell_of_a_dead_worker_is_taken_down(tmp_path: Path) -> None:
    project = Project(tmp_path)
    bell.bells(project).mkdir(parents=True)
    dead = bell.bells(project) / "1.sock"
    with socket.socket(socket.AF_UNIX) as listener, bell.short_path(dead) as address:
        listener.bind(address)
    assert not bell.ring_through_worker(project, "r1")
    assert not dead.exists()


def test_there_is_no_bell_without_a_folder(tmp_path: Path) -> None:
    assert not bell.ring_through_worker(Project(tmp_path), "r1")
    assert not (tmp_path / ".smithers").exists()


def test_the_bell_is_named_by_its_process(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with worker(project, []):
        assert [path.name for path in bell.bells(project).iterdir()] == [f"{os.getpid()}.sock"]
