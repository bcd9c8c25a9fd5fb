"""Worker processes of a simulated machine: each carries out one delivery at a time, and stands still at every point.

A point is a call to the store (before it, and after it where something was committed), a body, and a wait. Whoever
drives the simulation decides at each point which process goes on, how a body ends, and who dies. The threads are only a
way to stop in the middle of real code: one of them runs at a time, so a seed always gives the same story.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from smithers.engine.command import Command
from smithers.errors import BodyDied
from smithers.flow.body import TaskBody
from smithers.flow.task_context import LineSink, TaskContext
from smithers.flow.workflow import AnyWorkflow
from smithers.store.interface import Store
from smithers.temporal.fetch import answer
from smithers.temporal.identity import Standing
from smithers.temporal.order import Answer, Order, code_queue
from smithers.temporal.plans import Plans
from smithers.temporal.running import BodyTable, Ended
from smithers.temporal.snapshots import Snapshots
from smithers.temporal.spool import Spool
from smithers.temporal.workshop import Delivery, StepSettings, Workshop
from tests.simulation.watched import WatchedStore
from tests.unit.engine.trees import elsewhere

DIGEST: Final = "d" * 64
EDITED: Final = "e" * 64
UNSOUND: Final = "f" * 64
"""Of code that does not render once something is done."""
WRITES: Final = ("append", "redrive")
BEFORE_FRAME: Final = "before append of a frame"
here = threading.local()
"""Which process the running thread belongs to."""


class Died(BaseException):
    """Unwinds the thread of a process that has been killed."""


@dataclass(frozen=True, slots=True)
class Code:
    workflow: AnyWorkflow
    digest: str = DIGEST

    def resolve(self, name: str) -> Any:
        from smithers.errors import WorkflowFileError

        if name.endswith(f":{elsewhere.name}"):
            return elsewhere
        raise WorkflowFileError(f"{name}: rendering must find it")


@dataclass(slots=True, eq=False)
class Body:
    """One time that a task's function is run."""

    command: Command
    nth: int
    context: TaskContext
    begun_at: int
    """Position of the log's end."""
    alone: bool = False
    """Whether it runs in a process of its own."""

    @property
    def key(self) -> tuple[str, str]:
        return self.command.node, self.command.iteration


@dataclass(slots=True, eq=False)
class Machine:
    """What the processes share besides the store."""

    store: WatchedStore
    editions: Mapping[str, AnyWorkflow]
    """The workflow as it was edited, by digest. Every process holds all of them."""
    folder: Path
    settings: StepSettings
    processes: list[Process] = field(default_factory=list["Process"])
    bodies: list[Body] = field(default_factory=list[Body])
    rung: bool = False
    clock_s: float = 1_000_000.0

    def start(self) -> Process:
        process = Process(self, len(self.processes) + 1)
        self.processes.append(process)
        return process

    def standing(self, name: str) -> Standing:
        """What `Identity.standing` says of a process, asked by the running thread."""
        number = int(name.split(".")[2])
        return "alive" if self.processes[number - 1].alive else "gone"


class Process:
    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.number = number
        self.name = f"m.s.{number}.b"
        self.alive = True
        self.stopping = False
        self.point = ""
        """Where it stands; empty while it has nothing to do."""
        self.body: Body | None = None
        self.ending: Ended | None = None
        """How the body that it stands at is to end."""
        self.result: Answer | BaseException | None = None
        self._go, self._stands = threading.Lock(), threading.Lock()
        """Held, but for the moment in which one thread hands over to the other."""
        self._go.acquire()
        self._stands.acquire()
        self._order: tuple[Order, Delivery] | None = None
        self._thread: threading.Thread | None = None
        store: Any = Paced(machine.store, self)
        plans = {code_queue("p", digest): self.plans(store, digest) for digest in machine.editions}
        spool = Spool(machine.folder / "spool")
        self.shop = Workshop("p", store, Bodies(self), BodyTable(), spool, self.ring, plans, machine.settings)

    def plans(self, store: Store, digest: str) -> Plans:
        code = Code(self.machine.editions[digest], digest)
        return Plans(store, code, render_s=1e9, snapshots=Snapshots(store, every=7, aside=False))

    def ring(self, run_id: str) -> None:
        """Nobody drives the run that goes on for ours, should that continue as new."""
        if not run_id.startswith("r.g"):
            self.machine.rung = True

    @property
    def is_idle(self) -> bool:
        return self.alive and self._order is None

    def begin(self, order: Order, attempt: int, superseded: Callable[[], bool]) -> None:
        """Begins a delivery and goes on to its first point."""
        self._order = order, Delivery(self.name, attempt, superseded, lambda: self.stopping)
        self.result = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self.go_on()

    def go_on(self) -> None:
        """To the next point, or to the end of the delivery."""
        self._go.release()
        self._wait()

    def kill(self) -> None:
        """It does nothing any more: its thread unwinds without reaching the store."""
        self.alive = False
        if self._thread is not None:
            self._go.release()
            self._thread.join()
            self._thread = self._order = None

    def _wait(self) -> None:
        assert self._stands.acquire(timeout=60), f"process {self.number} does not come to a point after {self.point!r}"
        if self.result is not None:
            self._order, self.point = None, ""

    def _work(self) -> None:
        here.process = self
        while self._go.acquire() and self.alive:
            assert self._order is not None
            try:
                self.result = answer(self.shop, *self._order)
            except BaseException as error:  # noqa: BLE001  whoever drives raises it
                self.result = error
            if not self.alive:
                return
            self._stands.release()

    def stand(self, point: str) -> None:
        """Called by the process's thread: stops until it may go on. Raises `Died` if it was killed meanwhile."""
        if not self.alive:
            raise Died
        self.point = point
        self._stands.release()
        self._go.acquire()
        if not self.alive:
            raise Died


class Paced:
    """The store as one process uses it, with points."""

    def __init__(self, store: Store, process: Process) -> None:
        self._store, self._process = store, process

    def __getattr__(self, name: str) -> Any:
        method, process = getattr(self._store, name), self._process

        def called(*args: Any, **more: Any) -> Any:
            plans = name == "append" and args[0].plan is not None
            process.stand(BEFORE_FRAME if plans else f"before {name}")
            result = method(*args, **more)
            if name in WRITES:
                process.stand(f"after {name}")
            return result

        return called


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    process: Process

    def run(self, body: TaskBody, context: TaskContext, command: Command, digest: str, *, alone: bool) -> Ended:
        process, machine = self.process, self.process.machine
        begun = Body(command, context.delivery, context, machine.store.run("r").head, alone)
        machine.bodies.append(begun)
        process.body, process.ending = begun, None
        try:
            while process.ending is None:
                process.stand(f"body {command.node}")
            if process.ending["outcome"] == "died":
                raise BodyDied("its process is gone", signal=process.ending["signal"])
            return process.ending
        finally:
            process.body = None

    def sink(self, run_id: str, command: Command) -> LineSink:
        return Nowhere()


class Nowhere:
    def write(self, stream: str, text: str, /) -> None:
        pass


def clock() -> Any:
    """Stands in for `time` in the modules that wait: a wait is a point, and moves the machine's clock."""

    def sleep(seconds: float) -> None:
        process: Process = here.process
        process.machine.clock_s += seconds
        process.stand("wait")

    def monotonic() -> float:
        process: Process | None = getattr(here, "process", None)
        return process.machine.clock_s if process is not None else 0.0

    return SimpleNamespace(sleep=sleep, monotonic=monotonic)
