"""Copies of old code go when nobody needs them: never one that is in use, or that could not be made again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from smithers.engine.entry import Fact
from smithers.project import Project
from smithers.store.interface import Store
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, NewRun, PlanWrite, Sources
from smithers.temporal.identity import Identity
from smithers.worker import copies
from smithers.worker.held import Held, folder_of
from smithers.worker.sources import COPY
from smithers.worker.unused import LATELY_S, remove_unused, unused

pytestmark = pytest.mark.decision("0014")

FILES = {"flow.py": b"x = 1\n"}
OLD, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def store() -> Store:
    return MemoryStore()


def copy(project: Project, store: Store, digest: str = OLD, *, kept: bool = True) -> Path:
    """A copy that was asked for long ago."""
    if kept:
        store.write_sources(Sources(digest, "flow.py", FILES))
    path = copies.written(project.state / "code", digest, "flow.py", FILES, project.root / "flow.py").parent
    age(path / COPY)
    return path


def age(path: Path) -> None:
    long_ago = time.time() - LATELY_S - 60
    os.utime(path, (long_ago, long_ago))


def names(project: Project, store: Store) -> list[str]:
    return [one.folder.name for one in unused(project, store)]


def run_of(store: Store, digest: str, status: str = "waiting-approval") -> None:
    store.create_run(NewRun("r", "ship", {}, digest, "/flow.py"))
    store.append(Append("r", (), PlanWrite(0, 1, 0, Fact("frame", "frame:1", {"number": 1}), (), status=status)))


def test_a_copy_that_nobody_needs_goes_and_can_be_made_again(project: Project, store: Store) -> None:
    path = copy(project, store)
    kept = copy(project, store, OTHER)
    run_of(store, OTHER)

    assert [one.digest for one in remove_unused(project, store)] == [OLD]
    assert not path.exists()
    assert kept.exists()
    assert remove_unused(project, store) == []
    assert (copy(project, store) / "flow.py").read_bytes() == FILES["flow.py"]


def test_a_copy_stays_while_an_open_run_is_pinned_to_it(project: Project, store: Store) -> None:
    copy(project, store)
    run_of(store, OLD, "waiting-approval")
    assert names(project, store) == []

    store.append(Append("r", (), PlanWrite(1, 1, 0, Fact("frame", "frame:2", {"number": 2}), (), status="finished")))
    assert names(project, store) == [OLD[:12]]


def test_a_copy_stays_while_a_process_holds_it_here_or_where_nobody_can_see(project: Project, store: Store) -> None:
    copy(project, store)
    held = Held(project)
    held.path.parent.mkdir(parents=True)
    held.path.write_text(f'{{"{OLD}": true}}')
    assert names(project, store) == []

    held.close()
    assert names(project, store) == [OLD[:12]]
    far = Identity("machine-boot", "elsewhere", 1, "1")
    (folder_of(project) / str(far)).write_text(f'{{"{OLD}": true}}')
    assert names(project, store) == []


def test_a_copy_stays_for_a_while_after_somebody_has_asked_for_it(project: Project, store: Store) -> None:
    path = copy(project, store)
    copies.written(project.state / "code", OLD, "flow.py", FILES, project.root / "flow.py")
    assert names(project, store) == []

    age(path / COPY)
    assert names(project, store) == [OLD[:12]]


def test_a_copy_stays_where_the_store_could_not_make_it_again(project: Project, store: Store) -> None:
    copy(project, store, kept=False)
    assert names(project, store) == []


@pytest.mark.parametrize("note", ["", "[]", '{"digest": 3}', '{"digest": "cc"}'])
def test_what_is_no_copy_stays_and_what_was_never_finished_goes(project: Project, store: Store, note: str) -> None:
    mine = project.state / "code" / "notes"
    fresh, left = (project.state / "code" / f"{copies.NEW}{name}" for name in ("fresh", "left"))
    for folder in (mine, fresh, left):
        folder.mkdir(parents=True)
    (mine / COPY).write_text(note)
    age(mine / COPY)
    age(left)

    assert names(project, store) == [left.name]


def test_nothing_is_made_where_there_are_no_copies(project: Project, store: Store) -> None:
    assert remove_unused(project, store) == []
    assert not project.state.exists()
