"""A project in a folder of its own, and the real commands that run in it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smithers.errors import RunNotFound, StoreMissing, StoreUnavailable
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.temporal import local
from smithers.temporal.client import connect
from smithers.temporal.local import LocalServer
from smithers.temporal.server import binary
from tests.chaos import processes
from tests.chaos.processes import Process, until

PROGRAM = Path(sys.executable).with_name("smithers")
FLOWS = Path(__file__).parent / "flows"
REPOSITORY = Path(__file__).parents[2]
"""What flows import from `tests` is found here, wherever they stand."""
FINAL = ("finished", "failed", "cancelled")
LEAVE_S = 20.0
WORKER = ("smithers.cli.up.worker_process", "smithers.worker.host --serve")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would point the commands somewhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMITHERS_", "TEMPORAL_"))}
    kept |= {name: os.environ[name] for name in ("SMITHERS_TEMPORAL_CLI",) if name in os.environ}
    return {**kept, "USER": "chaos", "NO_COLOR": "1", "PYTHONPATH": str(REPOSITORY), **more}


@dataclass
class Result:
    status: int
    out: str
    err: str


@dataclass
class Place:
    """A folder with its own store and its own Temporal server."""

    root: Path
    env: dict[str, str] = field(default_factory=dict[str, str])
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    store: Store | None = None
    hold: LocalServer | None = None

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def url(self) -> str:
        return self.env.get("SMITHERS_DATABASE_URL") or f"sqlite:///{self.database}"

    @property
    def database(self) -> Path:
        return self.project.state / "smithers.db"

    @property
    def shown(self) -> Path:
        return self.root / "shown.txt"

    def plant(self, flow: str) -> Path:
        return Path(shutil.copy(FLOWS / f"{flow}.py", self.root))

    # Commands

    def begin(self, *words: str, log: str = "log", before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Starts a command in a session of its own; what it says is added to a file."""
        with (self.root / f"{log}.txt").open("ab") as output:
            process = subprocess.Popen(
                [*before, str(PROGRAM), *words],
                cwd=self.root,
                env=environment(self.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.begun.append(process)
        return process

    def call(self, *words: str, limit_s: float = 60.0) -> Result:
        done = subprocess.run(
            [str(PROGRAM), *words],
            cwd=self.root,
            env=environment(self.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            start_new_session=True,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def up(self, flow: str, run: str, *, before: tuple[str, ...] = (), **given: Any) -> subprocess.Popen[bytes]:
        """Hosts a new run and stays with it, whatever it waits for."""
        given |= {} if "until" in given else {"shown": str(self.shown)}
        file = self.plant(flow).name
        words = ["up", file, "--stay", "--run-id", run, "--input", json.dumps(given)]
        return self.begin(*words, log=run, before=before)

    def resume(self, run: str, **options: Any) -> subprocess.Popen[bytes]:
        return self.begin("up", "--resume", run, "--stay", log=run, **options)

    def said(self, log: str) -> str:
        path = self.root / f"{log}.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def told(self) -> str:
        """The ends of all logs, and who is there, for whoever looks for the cause of something."""
        logs = [*self.root.glob("*.txt"), *(self.project.state / "server").glob("*.log")]
        ends = [f"--- {path.name}\n{path.read_text(errors='replace')[-2500:]}" for path in logs if path != self.shown]
        return "\n".join([*ends, *map(str, processes.inside(self.root))])

    # What is there

    def open(self) -> Store:
        if self.store is None:
            self.store = until(self.opened, "there is a store")
        return self.store

    def opened(self) -> Store | None:
        """A handle of the caller's own; None while there is no store, or none that answers."""
        try:
            return open_store(self.url, create=False)
        except (StoreMissing, StoreUnavailable):
            return None

    def worker_of(self, command: subprocess.Popen[bytes]) -> Process:
        """The process in which tasks run."""
        found = until(lambda: self.workers_of(command), "the command has a worker process")
        return found[0]

    @contextmanager
    def made(self) -> Generator[Store]:
        """A store that is made if it is not there."""
        store = open_store(self.url, create=True)
        try:
            yield store
        finally:
            store.close()

    def workers_of(self, command: subprocess.Popen[bytes]) -> list[Process]:
        return [one for one in processes.descendants(command.pid) if any(word in one.command for word in WORKER)]

    def server(self) -> dict[str, Any]:
        """What the supervisor says of itself, once it is there and its server ready."""

        def ready() -> dict[str, Any]:
            found = local.status(self.project) or {}
            return found if found.get("state") == "ready" else {}

        return until(ready, "the local server is ready")

    def has_begun(self, run: str) -> bool:
        store = self.open()
        try:
            return any(entry.kind == "ended" for entry in store.entries(run))
        except RunNotFound:
            return False

    def drivers(self, run: str) -> int:
        """How many runs Temporal has made of ours."""

        async def count() -> int:
            client = await connect(self.project, self.server()["address"])
            found = client.list_workflows(f"WorkflowId='{run}'")
            return len([one async for one in found])

        return asyncio.run(count())

    def redelivered(self, run: str) -> int:
        """How many steps Temporal has given out a second time and not got back yet."""

        async def count() -> int:
            client = await connect(self.project, self.server()["address"])
            found = await client.get_workflow_handle(run).describe()
            return sum(one.attempt > 1 for one in found.raw_description.pending_activities)

        return asyncio.run(count())

    def hold_server(self) -> None:
        """Starts the server on behalf of the test itself, not of a command."""
        self.hold = local.ensure(self.project)

    # The end

    def leave(self, command: subprocess.Popen[bytes]) -> int:
        """Asks a command to end, and waits until it has."""
        processes.kill(command.pid, number=signal.SIGTERM)
        return command.wait(LEAVE_S)

    def close(self) -> None:
        """Ends everything. Fails if something stays that nobody has ended, unless the test has failed already."""
        failed = [command for command in self.begun if command.poll() is None]
        if self.store is not None:
            self.store.close()
            self.store = None
        if self.hold is not None:
            self.hold.close()
        if failed:
            processes.kill(*(one.pid for one in processes.inside(self.root)))
        local.stop(self.project)
        try:
            until(lambda: not processes.inside(self.root), "no process is left", 10)
        except AssertionError:
            left = processes.inside(self.root)
            processes.kill(*(one.pid for one in left))
            assert not left, f"processes are left: {'; '.join(map(str, left))}"
        finally:
            for command in failed:
                command.wait(10)


@contextmanager
def place(above: Path | None = None, **env: str) -> Generator[Place]:
    """A new one, in a folder whose name is short: sockets need that. Everything in it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="smc-", dir=above, ignore_cleanup_errors=True) as name:
        root = Path(name).resolve() / "p"
        (root / ".smithers").mkdir(parents=True)  # a project of its own, whatever is above it
        made = Place(root, env)
        try:
            yield made
        finally:
            made.close()


def early_continue(folder: Path, events: int) -> str:
    """A Temporal binary whose server suggests a continue-as-new after so few events."""
    program = folder / "temporal-early"
    options = f"--dynamic-config-value limit.historyCount.suggestContinueAsNew={events}"
    program.write_text(f'#!/bin/sh\ncase "$1 $2" in "server start-dev") more="{options}";; esac\n')
    with program.open("a") as file:
        file.write(f'exec "{binary.find()}" "$@" $more\n')
    program.chmod(0o755)
    return str(program)
