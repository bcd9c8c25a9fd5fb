"""A worker that hosts one run in a process of its own, and the people that the run asks. It may be made to die.

The process that comes after a dead one does the same: what was done is not done again, because the log says so, and
whoever answers gives the same answer under the same key.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from smithers.engine.answer import Answer
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import Sent
from smithers.errors import AnswerRefused, RunNotFound
from smithers.project import Project
from smithers.store import faults, open_store
from smithers.store.deciding import decide
from smithers.store.interface import Store
from smithers.store.records import NewRun, Run
from smithers.temporal import serving  # noqa: F401  loaded once, before processes are made of this one
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings
from tests.crash.acts import ACTS, EDITED, OPENED, SILENT, Scene

T = TypeVar("T")
FLOWS = Path(__file__).parents[1] / "flows"
FINAL = ("finished", "failed", "cancelled")
LOOK_EVERY_S = 0.01
SHOWN = "shown.txt"
TALLY = "tally.json"
STACKS = "stacks.txt"
LIMIT_S = 120.0
"""So long a process may live; a little earlier it writes down where it stands."""


@dataclass(frozen=True)
class Life:
    """One process: where it works, and where it dies."""

    root: Path
    address: str
    scenario: str
    crash: str = ""
    """As `faults.Crash` reads it; empty for a process that sees the run through."""
    database: str = ""
    """URL of the store; empty is the file in the project."""

    @property
    def run(self) -> str:
        """Its id, which is that of its driver, too, on a server that cases share."""
        return self.root.name


def settings_of(scenario: str) -> WorkerSettings:
    return WorkerSettings(drain_s=0, burst_s=0 if scenario == "continued" else 1)


def host(life: Life) -> None:
    """Returns when the run and its driver are over."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "SMITHERS_")):
            del os.environ[name]
    os.environ["TEMPORAL_ADDRESS"] = life.address
    if life.database:
        os.environ["SMITHERS_DATABASE_URL"] = life.database
    stacks = (life.root / STACKS).open("w")
    faulthandler.dump_traceback_later(LIMIT_S - 3, file=stacks)
    faults.arm(faults.Crash.read(life.crash) if life.crash else faults.Crash(""))
    store = open_store(Project(life.root), create=True)
    codes = [load(FLOWS / name) for name in ("crashed.py", "followed.py")[: 2 if life.scenario in EDITED else 1]]
    make_run(store, codes[0], life)
    place = Place(life, store, codes)
    place.worker.ring(life.run)
    People(place).see_through()
    wait(place.driver_is_over)
    place.worker.stop()
    store.close()
    faulthandler.cancel_dump_traceback_later()
    stacks.close()
    (life.root / TALLY).write_text(json.dumps(faults.tally()))


def make_run(store: Store, code: LoadedCode, life: Life) -> None:
    try:
        store.run(life.run)
    except RunNotFound:
        given = {"scenario": life.scenario, "shown": str(life.root / SHOWN)}
        store.create_run(NewRun(life.run, code.workflow.name, given, code.digest, str(code.source)))


@dataclass
class Place:
    """The worker of this process, and the one after it."""

    life: Life
    store: Store
    codes: list[LoadedCode]
    worker: EmbeddedWorker = field(init=False)

    def __post_init__(self) -> None:
        self.work()

    def work(self) -> None:
        settings = settings_of(self.life.scenario)
        self.worker = EmbeddedWorker(Project(self.life.root), self.codes, settings, store=self.store)
        self.worker.start()

    def shut_down(self) -> None:
        self.worker.stop()
        self.work()

    def driver_is_over(self) -> bool:
        """Whether Temporal shows no open driver of the run."""
        try:
            return self.ask(lambda client: client.get_workflow_handle(self.life.run).describe()).close_time is not None
        except TimeoutError:
            return False  # a busy machine; it is asked again

    def terminate(self, workflow: str) -> bool:
        """Whether it was open."""
        try:
            self.ask(lambda client: client.get_workflow_handle(workflow).terminate())
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    def ask(self, call: Callable[[Client], Coroutine[object, object, T]]) -> T:
        assert self.worker._client is not None
        assert self.worker._loop is not None
        return asyncio.run_coroutine_threadsafe(call(self.worker._client), self.worker._loop).result(5)


def wait(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(LOOK_EVERY_S)


@dataclass(frozen=True)
class People:
    place: Place

    @property
    def store(self) -> Store:
        return self.place.store

    @property
    def life(self) -> Life:
        return self.place.life

    def see_through(self) -> None:
        """Has people do what they do in this scenario, and answer whatever is asked, until the run is over."""
        while not self.is_over((scene := self.look()).run):
            act = ACTS.get(self.life.scenario)
            if (act is not None and act(scene)) or any(self.answer(scene, row) for row in scene.rows):
                self.place.worker.ring(self.life.run)
            time.sleep(LOOK_EVERY_S)

    def look(self) -> Scene:
        store, place = self.store, self.place
        run, rows, log = store.run(self.life.run), store.nodes(self.life.run), store.entries(self.life.run)
        return Scene(store, run, rows, log, place.codes, self.life.root / SHOWN, place.shut_down, place.terminate)

    def is_over(self, run: Run) -> bool:
        return run.status in FINAL and not (self.life.scenario in OPENED and run.status == "failed")

    def answer(self, scene: Scene, row: NodeRow) -> bool:
        """Whether something was said."""
        match row.state:
            case "waiting-approval" if self.life.scenario not in SILENT:
                return self.approve(scene, row)
            case "waiting-event" if not scene.has("cancel"):
                return scene.store_fact(Sent((row.detail or {})["event"], {"amount": 3}, None, "ann", 1).fact)
            case _:
                return False

    def approve(self, scene: Scene, row: NodeRow) -> bool:
        """Each of two people says the same; who has said it already is told so."""
        said = False
        for by in () if scene.has(row.decision_key) else ("ann", "bob"):
            is_human = (row.detail or {}).get("mode") == "human"
            given = Answer(True, by, value={"amount": 3}) if is_human else Answer(True, by)
            try:
                said = decide(self.store, self.life.run, row, given) is not None or said
            except AnswerRefused:
                continue
        return said
