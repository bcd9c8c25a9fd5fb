"""What a worker process needs to carry out orders of one project; the driver's side knows nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from smithers.engine.command import Command
from smithers.flow.body import TaskBody
from smithers.flow.task_context import LineSink, TaskContext
from smithers.store.interface import Store
from smithers.temporal.pace import Pace
from smithers.temporal.plans import Plans
from smithers.temporal.running import BodyTable, Ended, Job
from smithers.temporal.spool import Spool

FETCHES_ONWARD: Final = 12
"""Fewer than the slots for steps without a task, so that an approval never waits for bodies."""


class HandOver(Exception):
    """This worker shuts down: the order is to be delivered to another one, now."""


class Bodies(Protocol):
    """Runs the author's code."""

    def run(self, body: TaskBody, context: TaskContext, command: Command, digest: str, *, alone: bool) -> Ended:
        """Runs a body of the code `digest` to its end and says how it ended. Errors of the body do not come through.

        `alone` is in a process of its own; raises `BodyDied` if that goes away."""
        ...

    def sink(self, run_id: str, command: Command) -> LineSink:
        """Where the lines of an attempt go."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that Temporal handed us an order."""

    worker: str
    """Identity of this process."""
    attempt: int = 1
    superseded: Callable[[], bool] = lambda: False
    """Whether Temporal has given this delivery up, as far as we were told."""
    stopping: Callable[[], bool] = lambda: False
    """Whether this worker shuts down."""
    job: Job | None = None
    """Whose thread this is; None in tests that call a step directly."""
    again: bool = False
    """The job goes on with this delivery on another thread."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    burst_s: float = 1.0
    """How long a step goes on with work that it planned itself; 0 is not at all."""
    render_s: float = 10.0
    grace_s: float = 5.0
    """How long a body may take no notice of its cancel flag before the step goes on without it."""


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """Shared by all steps of a process. Everything in it may be used from any thread."""

    project: str
    store: Store
    bodies: Bodies
    table: BodyTable
    spool: Spool
    ring: Callable[[str], None]
    """Wakes the driver of a run."""
    codes: Mapping[str, Plans]
    """By name of its queue: the code that this process holds."""
    settings: StepSettings = StepSettings()
    pace: Pace = field(default_factory=Pace)
    onward: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(FETCHES_ONWARD))
    """Held by fetches that go on with short work."""
