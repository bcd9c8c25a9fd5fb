"""What travels between the driver and a step: numbers, kinds, queues, timeouts and times, never a prompt or an output.

Everything here ends up in Temporal's history, which is kept, copied and shown by others; the payload of a command stays
in the store (design: envelopes). Both ends write only what differs from the default, which keeps a round small.
The field names are frozen: recorded histories hold them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from smithers.engine.command import Command, CommandKind
from smithers.engine.entry import Json
from smithers.store.records import OpenCommandRow

STEP: Final = "smithers.step"
"""Name of the one activity."""
TASK: Final = "smithers.task"
"""Workflow type of a child: one long step in a history of its own."""
RING: Final = "ring"
FETCH: Final = 0
"""Number of a step without a command: it appends what the driver reports, plans, and returns what is open."""
STALE: Final = "stale"
"""`Answer.done` of a step whose epoch is over."""

Done = Literal["", "finished", "failed", "cancelled", "continued", "stale"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A command as the driver sees it."""

    n: int
    kind: CommandKind
    owner: int = FETCH
    """Number of the step that planned it and answers for it."""
    target: int = 0
    due_ms: int = 0
    timeout_ms: int = 0

    @staticmethod
    def of(row: OpenCommandRow) -> Carried:
        return Carried.from_command(row.command, row.owner)

    @staticmethod
    def from_command(command: Command, owner: int) -> Carried:
        return Carried(command.n, command.kind, owner, command.target, command.due_ms, command.timeout_ms)

    def wire(self) -> Json:
        return sparse(
            n=self.n,
            kind=self.kind,
            owner=self.owner,
            target=self.target,
            due_ms=self.due_ms,
            timeout_ms=self.timeout_ms,
        )

    @staticmethod
    def read(wire: Json) -> Carried:
        return Carried(**wire)


@dataclass(frozen=True, slots=True)
class Signal:
    """A native Temporal signal from somebody else, on its way into the log."""

    key: str
    """Temporal run id and counter: the same after a replay."""
    name: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the driver asks a step to do."""

    run: str
    n: int
    epoch: int
    since: int = 0
    """When the driver's Temporal run began, in milliseconds: of two drivers, the later one is right."""
    above: int = 0
    """For a fetch: return open commands with higher numbers only."""
    settle: tuple[int, ...] = ()
    """For a fetch: these ended without an answer."""
    cancel: str = ""
    """For a fetch: the Temporal run id of a driver that was asked to cancel."""
    signals: tuple[Signal, ...] = ()
    code: str = ""
    """Queue of the code that the run is pinned to, as far as the driver knows: it names the code."""
    child: bool = False
    """The step runs in a workflow of its own: it stores and rings, and does not plan."""
    alone: bool = False
    """For a fetch: no step of this driver was in flight when it was sent, so it may go on with what it plans."""

    def wire(self) -> Json:
        signals = [[signal.key, signal.name, signal.value] for signal in self.signals]
        return sparse(
            run=self.run,
            n=self.n,
            epoch=self.epoch,
            since=self.since,
            above=self.above,
            settle=list(self.settle),
            cancel=self.cancel,
            signals=signals,
            code=self.code,
            child=self.child,
            alone=self.alone,
        )

    @staticmethod
    def read(wire: Json) -> Order:
        fields: Json = {"n": FETCH, **wire}
        fields["settle"] = tuple(wire.get("settle", ()))
        fields["signals"] = tuple(Signal(*signal) for signal in wire.get("signals", ()))
        return Order(**fields)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step decided, or found decided."""

    commands: tuple[Carried, ...] = ()
    done: Done = ""
    """Set once the run is over: how it ended."""
    queue: str = ""
    """Task queue of the workers that hold the run's code; empty where it has not changed."""
    epoch: int = 0
    """Of the run, with `stale`."""
    unheld: bool = False
    """Nothing was done: this worker does not hold the code."""
    elsewhere: bool = False
    """A plan is due, and this worker does not hold the code for it."""

    def wire(self) -> Json:
        return sparse(
            commands=spans(self.commands),
            done=self.done,
            queue=self.queue,
            epoch=self.epoch,
            unheld=self.unheld,
            elsewhere=self.elsewhere,
        )

    @staticmethod
    def read(wire: object) -> Answer:
        fields: Json = dict(cast("Json", wire))
        fields["commands"] = tuple(command for span in fields.get("commands", ()) for command in unspanned(span))
        return Answer(**fields)


def spans(commands: Iterable[Carried]) -> list[Json]:
    """Commands that differ in nothing but their numbers, which follow each other, are written as one with the `last`
    of them: a frame of parallel work starts many such, and all steps of that frame answer with them."""
    found: list[Json] = []
    expected: tuple[object, ...] = ()
    for command in commands:
        shared = (command.kind, command.owner, command.target, command.due_ms, command.timeout_ms)
        if expected == (command.n, *shared):
            found[-1]["last"] = command.n
        else:
            found.append(command.wire())
        expected = (command.n + 1, *shared)
    return found


def unspanned(span: Json) -> Iterable[Carried]:
    if "last" not in span:
        return (Carried.read(span),)
    first = Carried.read({name: value for name, value in span.items() if name != "last"})
    return (replace(first, n=n) for n in range(first.n, span["last"] + 1))


def sparse(**fields: object) -> Json:
    """Leaves out what says nothing. `n` of a fetch is left out too, and read back as 0."""
    return {name: value for name, value in fields.items() if value}


def driver_queue(project: str) -> str:
    """Drivers of all runs, served by every worker of a project: a driver needs no code. Steps are tried here first:
    where the worker that has the driver in memory holds the code, they come back to it with the same answer (an eager
    activity), which is a quarter quicker than another queue."""
    return f"smithers-{project}"


def light_queue(drivers: str) -> str:
    """Beside the drivers' queue: steps without a task, in slots of their own, so that none waits behind a long body.
    The driver takes to it where its own worker has no slot."""
    return f"{drivers}-light"


def code_queue(project: str, digest: str) -> str:
    """Tasks, served by the workers that hold this code."""
    return f"smithers-{project}-{digest[:12]}"


def plan_queue(code: str) -> str:
    """Beside a code queue: plans, served by the workers that hold this code, in slots of their own."""
    return f"{code}-plan"
