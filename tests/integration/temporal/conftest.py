"""Workers on a real server: one server for all tests of this folder, a project for each."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from smithers.engine.entry import Entry, Fact, NodeState, OpenRun
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings
from tests.servers.temporal import shared

FLOWS = Path(__file__).parents[2] / "flows" / "driven"
FINAL = ("finished", "failed", "cancelled")


def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """The condition's value, as soon as it is true."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with shared() as address:
        yield address


@dataclass
class Place:
    """A project, its store, its workers."""

    project: Project
    store: Store
    folder: Path
    workers: list[EmbeddedWorker] = field(default_factory=list)

    def work(self, flow: str, **settings: Any) -> EmbeddedWorker:
        worker = EmbeddedWorker(self.project, code(flow), WorkerSettings(**settings), store=self.store)
        worker.start()
        self.workers.append(worker)
        return worker

    def start(self, flow: str, run: str = "r", **input: Any) -> str:
        loaded = code(flow)
        given = {"folder": str(self.folder), **input}
        run = f"{self.project.name}-{run}"
        self.store.create_run(NewRun(run, loaded.workflow.name, given, loaded.digest, str(loaded.source)))
        if self.workers:
            self.workers[-1].ring(run)
        return run

    def status(self, run: str) -> str:
        return self.store.run(run).status

    def end_of(self, run: str, within_s: float = 30.0) -> str:
        until(lambda: self.status(run) in FINAL, within_s)
        return self.status(run)

    def entries(self, run: str, *kinds: str) -> list[Entry]:
        return [entry for entry in self.store.entries(run) if not kinds or entry.kind in kinds]

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def decide(self, run: str, node: str, *, approved: bool = True) -> None:
        data = {"node": node, "iteration": "", "approved": approved, "by": "tester", "note": ""}
        needs = NodeState(node, "", ("waiting-approval",))
        request = Append(run, (Fact("decided", self.store.node(run, node, "").decision_key, data, needs),))
        assert self.store.append(request).outcomes == ("stored",)

    def cancel(self, run: str) -> None:
        fact = Fact("cancel", "cancel", {"by": "tester", "reason": "test"}, OpenRun())
        assert self.store.append(Append(run, (fact,))).outcomes == ("stored",)

    def go(self) -> None:
        (self.folder / "go").touch()


def code(flow: str) -> LoadedCode:
    return load(FLOWS / f"{flow}.py")


@pytest.fixture
def place(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "SMITHERS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_ADDRESS", server)
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as name:
        project = Project(Path(name).resolve())
        folder = project.root / "work"
        folder.mkdir()
        there = Place(project, open_store(project, create=True), folder)
        yield there
        for worker in there.workers:
            if worker.is_alive:
                worker.stop(0)
        there.store.close()
