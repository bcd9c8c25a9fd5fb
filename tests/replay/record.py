"""Runs the scenarios whose histories `test_replay.py` replays, on a server that continues as new early."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smithers.engine.entry import Fact, NodeState, OpenRun
from smithers.project import Project
from smithers.store import open_store
from smithers.store.records import Append, NewRun
from smithers.temporal import bell
from smithers.temporal.client import connect
from smithers.worker.code import load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings
from tests.crash.cases import lived
from tests.crash.hosting import Life
from tests.flows.crashed import SCENARIOS as COMPONENTS
from tests.servers.temporal import OwnServer

FLOWS = Path(__file__).parents[1] / "flows" / "driven"
HISTORIES = Path(__file__).parent / "histories"
FINAL = ("finished", "failed", "cancelled")


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.store = open_store(self.project, create=True)
        self.folder = folder / "work"
        self.folder.mkdir()

    @contextmanager
    def worker(self, flow: str, **settings: Any) -> Iterator[EmbeddedWorker]:
        worker = EmbeddedWorker(self.project, load(FLOWS / f"{flow}.py"), WorkerSettings(**settings), store=self.store)
        worker.start()
        yield worker
        worker.stop(0)

    def start(self, flow: str, **input: Any) -> str:
        code, run = load(FLOWS / f"{flow}.py"), self.project.root.name
        given = {"folder": str(self.folder), **input}
        self.store.create_run(NewRun(run, code.workflow.name, given, code.digest, str(code.source)))
        return run

    def is_over(self, run: str) -> bool:
        return self.store.run(run).status in FINAL

    def begun(self) -> list[str]:
        path = self.folder / "begun"
        return path.read_text().splitlines() if path.exists() else []


async def histories(project: Project, run: str) -> list[str]:
    """Of all Temporal runs, once the last has ended."""
    client = await connect(project, project.temporal_address)
    while (await client.get_workflow_handle(run).describe()).close_time is None:  # noqa: ASYNC110  no event
        await asyncio.sleep(0.05)
    found = [one async for one in client.list_workflows(f"WorkflowId='{run}'")]
    found.sort(key=lambda one: one.start_time)
    handles = [client.get_workflow_handle(run, run_id=one.run_id) for one in found]
    return [(await handle.fetch_history()).to_json() for handle in handles]


def burst(scene: Scene) -> str:
    with scene.worker("sequence") as worker:
        run = scene.start("sequence", n=20)
        worker.ring(run)
        wait(lambda: scene.is_over(run))
        return run


def isolated(scene: Scene) -> str:
    with scene.worker("gated") as worker:
        run = scene.start("gated", n=2, isolated=True)
        worker.ring(run)
        wait(lambda: len(scene.begun()) == 2)
        (scene.folder / "go").touch()
        wait(lambda: scene.is_over(run))
        return run


def asking(scene: Scene) -> str:
    with scene.worker("asking") as worker:
        run = scene.start("asking")
        worker.ring(run)
        wait(lambda: scene.store.run(run).status == "waiting-approval")
        data = {"node": "ok", "iteration": "", "approved": True, "by": "recorder", "note": ""}
        decided = Fact("decided", "decided:ok:", data, NodeState("ok", "", ("waiting-approval",)))
        scene.store.append(Append(run, (decided,)))
        worker.ring(run)
        wait(lambda: scene.is_over(run))
        return run


def takeover(scene: Scene) -> str:
    def host() -> subprocess.Popen[bytes]:
        place = [str(scene.project.root), str(FLOWS / "gated.py")]
        command = [sys.executable, "-m", "smithers.worker.host", "--serve", *place]
        return subprocess.Popen(command, start_new_session=True)

    first, run = host(), scene.start("gated", n=2)
    wait(lambda: bell.ring_through_worker(scene.project, run))
    wait(lambda: len(scene.begun()) == 2)
    first.kill()
    first.wait()
    second = host()
    wait(lambda: len(scene.begun()) == 4)
    (scene.folder / "go").touch()
    wait(lambda: scene.is_over(run))
    os.killpg(second.pid, signal.SIGTERM)
    second.wait()
    return run


def continued(scene: Scene) -> str:
    with scene.worker("sequence", burst_s=0) as worker:
        run = scene.start("sequence", n=260)  # more than two seconds of work
        worker.ring(run)
        wait(lambda: scene.is_over(run))
        return run


def cancelled(scene: Scene) -> str:
    with scene.worker("gated") as worker:
        run = scene.start("gated", n=3)
        worker.ring(run)
        wait(lambda: len(scene.begun()) == 3)
        scene.store.append(Append(run, (Fact("cancel", "cancel", {"by": "recorder", "reason": ""}, OpenRun()),)))
        worker.ring(run)
        wait(lambda: scene.is_over(run))
        return run


def native(scene: Scene) -> str:
    """A signal and a cancel that come through Temporal."""
    with scene.worker("asking") as worker:
        run = scene.start("asking")
        worker.ring(run)
        wait(lambda: scene.store.run(run).status == "waiting-approval")

        async def speak() -> None:
            driver = (await connect(scene.project, scene.project.temporal_address)).get_workflow_handle(run)
            await driver.signal("paid", 3)
            await driver.cancel()

        asyncio.run(speak())
        wait(lambda: scene.is_over(run))
        return run


def elsewhere(scene: Scene) -> str:
    """The worker that has the driver in memory does not hold the code."""
    bare = EmbeddedWorker(scene.project, (), WorkerSettings(), store=scene.store)
    bare.start()
    run = scene.start("sequence")
    bare.ring(run)
    time.sleep(0.5)
    with scene.worker("sequence", burst_s=0):
        wait(lambda: scene.is_over(run))
    bare.stop(0)
    return run


SCENARIOS = (burst, isolated, asking, takeover, continued, cancelled, native, elsewhere)
TREES = tuple(f"tree_{name}" for name in COMPONENTS)
"""One for each component: the scenarios that tests/crash crashes, left alone."""


def of_a_component(name: str, root: Path, address: str) -> str:
    life = Life(root, address, name)
    (root / ".smithers").mkdir()
    assert lived(life) == 0
    return life.run


def record(name: str, root: Path, server: OwnServer) -> list[str]:
    root.mkdir()
    if name in TREES:
        run = of_a_component(name.removeprefix("tree_"), root, server.address)
        return asyncio.run(histories(Project(root), run))
    scene = Scene(root)
    run = {scenario.__name__: scenario for scenario in SCENARIOS}[name](scene)
    try:
        return asyncio.run(histories(scene.project, run))
    finally:
        scene.store.close()


def main(label: str, *chosen: str) -> None:
    if label.startswith("-"):
        raise SystemExit("usage: scripts/record_histories NAME [SCENARIO ...]")
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as folder:
        server = OwnServer(Path(folder).resolve() / "server", {"limit.historyCount.suggestContinueAsNew": "100"})
        server.start()
        os.environ["TEMPORAL_ADDRESS"] = server.address
        for name in chosen or (*(scenario.__name__ for scenario in SCENARIOS), *TREES):
            for part, history in enumerate(record(name, Path(folder).resolve() / name, server), 1):
                path = HISTORIES / f"{name}-{part}-{label}.json.gz"
                path.write_bytes(gzip.compress(history.encode(), mtime=0))
                print(path.name, f"{path.stat().st_size} bytes")
        server.kill()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["0.1"]))
