"""A worker without Temporal: the real planner and log, steps delivered by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import pytest

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Fact, Json, NodeState
from smithers.flow.body import TaskBody
from smithers.flow.task_context import LineSink, TaskContext
from smithers.flow.workflow import AnyWorkflow
from smithers.store.interface import Store
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, NewRun
from smithers.temporal import identity
from smithers.temporal.job import carry_out
from smithers.temporal.order import FETCH, Answer, Order, code_queue
from smithers.temporal.plans import Plans
from smithers.temporal.running import BodyTable, Ended
from smithers.temporal.spool import Spool
from smithers.temporal.watch import Watch
from smithers.temporal.workshop import Delivery, StepSettings, Workshop
from smithers_activities import compute

DIGEST = "d" * 64
NOTHING: Mapping[str, Any] = MappingProxyType({})
CODE = code_queue("p", DIGEST)


QUIET = StepSettings(burst_s=0, render_s=2, grace_s=0.5)


def gone(number: int = 1) -> str:
    """A process of this machine that is not there."""
    return str(replace(identity.own(), pid=2**22 + number, born="1"))


@dataclass
class FakeCode:
    workflow: AnyWorkflow
    others: Mapping[str, Any]
    """What else stands in the file: names, and what they are."""
    digest: str = DIGEST

    def resolve(self, name: str) -> Any:
        from smithers.errors import WorkflowFileError

        if not self.others:
            raise WorkflowFileError(f"{name}: rendering must find it")
        return self.others[name.partition(":")[2]]


class NoLines:
    def write(self, stream: str, text: str) -> None:
        pass


@dataclass
class HandBodies:
    """Bodies as they are, noted; `alone` may be given another end."""

    ran: list[tuple[str, int, bool]] = field(default_factory=list)
    alone: Callable[[Command], Ended] | None = None

    def run(self, body: TaskBody, context: TaskContext, command: Command, digest: str, *, alone: bool) -> Ended:
        self.ran.append((command.node, context.delivery, alone))
        if alone and self.alone is not None:
            return self.alone(command)
        return compute.perform(body, context).wire()

    def sink(self, run_id: str, command: Command) -> LineSink:
        return NoLines()

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.ran]


@dataclass
class Yard:
    """One worker process. `again()` is another one on the same store, after this one has died."""

    store: Store
    folder: Path
    settings: StepSettings = QUIET
    bodies: HandBodies = field(default_factory=HandBodies)
    rung: list[str] = field(default_factory=list)
    codes: dict[str, Plans] = field(default_factory=dict)
    worker: str = str(identity.own())
    shop: Workshop = field(init=False)

    def __post_init__(self) -> None:
        spool = Spool(self.folder / "spool")
        self.shop = Workshop(
            "p", self.store, self.bodies, BodyTable(), spool, self.rung.append, self.codes, self.settings
        )

    def keep_time(self) -> Yard:
        """Deadlines, and patience, for tests that need them."""
        Watch(self.shop).start()
        return self

    def hold(self, workflow: AnyWorkflow, digest: str = DIGEST, others: Mapping[str, Any] = NOTHING) -> None:
        plans = Plans(self.store, FakeCode(workflow, others, digest), render_s=self.settings.render_s)
        self.codes[code_queue("p", digest)] = plans

    def start(self, workflow: AnyWorkflow, run: str = "r", **input: Any) -> str:
        self.hold(workflow)
        self.store.create_run(NewRun(run, workflow.name, input, DIGEST, "flow.py"))
        return run

    def fetch(self, run: str = "r", attempt: int = 1, **fields: Any) -> Answer:
        return self.deliver(Order(run, FETCH, **{"epoch": 1, "since": 1000, **fields}), attempt)

    def step(self, n: int, run: str = "r", attempt: int = 1, **fields: Any) -> Answer:
        return self.deliver(Order(run, n, **{"epoch": 1, "since": 1000, "code": CODE, **fields}), attempt)

    def deliver(self, order: Order, attempt: int = 1, **more: Any) -> Answer:
        return carry_out(self.shop, order, Delivery(self.worker, attempt, **more))

    def deliver_light(self, n: int, run: str = "r") -> Answer:
        """A step without a task: it comes through the driver's queue, and is planned by whoever holds the code."""
        self.deliver(Order(run, n, 1, 1000))
        return self.fetch(run)

    def decide(self, node: str, *, approved: bool, run: str = "r") -> None:
        data = {"node": node, "iteration": "", "approved": approved, "by": "tester", "note": ""}
        needs = NodeState(node, "", ("waiting-approval",))
        request = Append(run, (Fact("decided", f"decided:{node}:", data, needs),))
        assert self.store.append(request).outcomes == ("stored",)

    def order(self, n: int, run: str = "r") -> Order:
        return Order(run, n, 1, 1000, code=CODE)

    def give(self, order: Order, delivery: Delivery) -> Answer:
        return carry_out(self.shop, order, delivery)

    def again(self, **changes: Any) -> Yard:
        """A new process; what the old one has in memory is gone."""
        other = Yard(self.store, self.folder, **{"settings": self.settings, **changes})
        for name, plans in self.codes.items():
            other.codes[name] = Plans(self.store, plans.code, render_s=self.settings.render_s)
        return other

    # What the log says

    def entries(self, *kinds: str, run: str = "r") -> list[Entry]:
        return [entry for entry in self.store.entries(run) if not kinds or entry.kind in kinds]

    def kinds(self, run: str = "r") -> list[str]:
        return [entry.kind for entry in self.store.entries(run)]

    def ended(self, run: str = "r") -> dict[str, Json]:
        return {entry.data["node"]: entry.data for entry in self.entries("ended", run=run)}

    def status(self, run: str = "r") -> str:
        return self.store.run(run).status


class Gone(BaseException):
    """What ends a process in a test."""


def stop_before_bodies(yard: Yard, error: type[BaseException] = Gone) -> None:
    """From now on the process claims, and begins no body."""

    def put(*_: object) -> NoReturn:
        raise error

    yard.shop.table.put = put  # type: ignore[method-assign]


def die_in_body(yard: Yard, number: int, *, attempt: int = 0, n: int = 1, **fields: Any) -> None:
    """A process, another one for each `number`, that claims command `n` and is gone before the body ends."""
    other = yard.again(worker=gone(number))
    stop_before_bodies(other)
    with pytest.raises(Gone):
        other.step(n, attempt=attempt or number, **fields)


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def yard(store: Store, tmp_path: Path) -> Yard:
    return Yard(store, tmp_path)


@pytest.fixture
def bursting(store: Store, tmp_path: Path) -> Yard:
    return Yard(store, tmp_path, StepSettings(burst_s=30, render_s=2, grace_s=0.5))
