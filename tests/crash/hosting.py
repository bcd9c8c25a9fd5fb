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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smithers.engine.answer import Answer
from smithers.engine.entry import EndedRun, Fact, OpenRun
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import Sent
from smithers.errors import AnswerRefused, RunNotFound
from smithers.project import Project
from smithers.store import faults, open_store
from smithers.store.deciding import decide, delegate, said, withdraw
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun, Run
from smithers.temporal import serving  # noqa: F401  loaded once, before processes are made of this one
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings

FLOW = Path(__file__).parents[1] / "flows" / "crashed.py"
FINAL = ("finished", "failed", "cancelled")
LOOK_EVERY_S = 0.01
SHOWN = "shown.txt"
TALLY = "tally.json"
STACKS = "stacks.txt"
LIMIT_S = 45.0
"""So long a process may live; a little earlier it writes down where it stands."""


@dataclass(frozen=True)
class Life:
    """One process: where it works, and where it dies."""

    root: Path
    address: str
    scenario: str
    crash: str = ""
    """As `faults.Crash` reads it; empty for a process that sees the run through."""

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
    stacks = (life.root / STACKS).open("w")
    faulthandler.dump_traceback_later(LIMIT_S - 3, file=stacks)
    faults.arm(faults.Crash.read(life.crash) if life.crash else faults.Crash(""))
    project = Project(life.root)
    store = open_store(project, create=True)
    code = load(FLOW)
    make_run(store, code, life)
    worker = EmbeddedWorker(project, code, settings_of(life.scenario), store=store)
    worker.start()
    worker.ring(life.run)
    People(store, life).see_through(worker.ring)
    wait(lambda: driver_is_over(worker, life.run))
    worker.stop()
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


def driver_is_over(worker: EmbeddedWorker, run: str) -> bool:
    """Whether Temporal shows no open driver of the run."""
    assert worker._client is not None
    assert worker._loop is not None
    described = worker._client.get_workflow_handle(run).describe()
    try:
        return asyncio.run_coroutine_threadsafe(described, worker._loop).result(5).close_time is not None
    except TimeoutError:
        return False  # a busy machine; it is asked again


def wait(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(LOOK_EVERY_S)


@dataclass(frozen=True)
class People:
    store: Store
    life: Life

    def see_through(self, ring: Callable[[str], None]) -> None:
        """Answers whatever is asked until the run is over."""
        while not self.is_over(run := self.store.run(self.life.run)):
            told = [self.answer(row) for row in self.store.nodes(run.run_id)]
            if any(told) or self.resume(run):
                ring(run.run_id)
            time.sleep(LOOK_EVERY_S)

    def is_over(self, run: Run) -> bool:
        return run.status in FINAL and not (self.life.scenario == "resumed" and run.status == "failed")

    def has(self, key: str) -> bool:
        return any(entry.key == key for entry in self.store.entries_by_key(self.life.run, key))

    def store_fact(self, fact: Fact) -> bool:
        """Not again and again until it is planned: how often a point is passed must not depend on times."""
        return not self.has(fact.key) and self.store.append(Append(self.life.run, (fact,))).outcomes == ("stored",)

    def answer(self, row: NodeRow) -> bool:
        """Whether something was said."""
        match row.state:
            case "waiting-approval" if self.life.scenario == "reminded":
                return self.change_minds(row)
            case "waiting-approval":
                return self.approve(row)
            case "waiting-event" if self.life.scenario == "cancelled":
                return self.store_fact(Fact("cancel", "cancel", {"by": "ann", "reason": None}, OpenRun()))
            case "waiting-event":
                return self.store_fact(Sent((row.detail or {})["event"], {"amount": 3}, None, "ann", 1).fact)
            case _:
                return False

    def approve(self, row: NodeRow) -> bool:
        """Each of two people says the same; who has said it already is told so."""
        told = False
        for by in () if self.has(row.decision_key) else ("ann", "bob"):
            is_human = (row.detail or {}).get("mode") == "human"
            given = Answer(True, by, value={"amount": 3}) if is_human else Answer(True, by)
            try:
                told = decide(self.store, self.life.run, row, given) is not None or told
            except AnswerRefused:
                continue
        return told

    def change_minds(self, row: NodeRow) -> bool:
        """One thing after another, once all reminders are there; whoever comes after a crash goes on from what was
        said."""
        run, course = self.life.run, said(self.store, self.life.run, row)
        if self.has(row.decision_key) or len(course.reminders) < 2 or course.escalation is None:
            return False
        ann, bob, eve = (Answer(True, by) for by in ("ann", "bob", "eve"))
        match len(course.acts):
            case 0 | 3:
                return decide(self.store, run, row, ann) is not None
            case 1:
                return withdraw(self.store, run, row, ann) is not None
            case 2:
                return delegate(self.store, run, row, bob, "cid") is not None
            case _:
                return decide(self.store, run, row, eve) is not None

    def resume(self, run: Run) -> bool:
        if run.status != "failed":
            return False
        fact = Fact("resumed", f"resumed:{run.epoch + 1}", {"by": "ann"}, EndedRun(("failed",)))
        return self.store_fact(fact)
