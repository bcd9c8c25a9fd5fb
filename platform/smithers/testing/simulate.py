"""Runs a whole workflow in memory: scripted tasks, scripted decisions, a clock that jumps from timer to timer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from smithers.engine.answer import Answer, mode_of
from smithers.engine.command import Command
from smithers.engine.entry import Json, node_key
from smithers.engine.frame import NodeRow
from smithers.errors import SmithersError
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Meter
from smithers.flow.workflow import AnyWorkflow
from smithers.testing.memory_run import InMemoryRun

M = TypeVar("M", bound=BaseModel)
MOST_EVENTS: Final = 100_000
"""A run that goes on beyond this is taken for endless."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A scripted failure of one attempt."""

    message: str
    retryable: bool = True


def fails(message: str = "scripted failure", *, retryable: bool = True) -> Failure:
    """One failing attempt, as a scripted result: `results={"build": [fails(), Built(ok=True)]}`."""
    return Failure(message, retryable)


Said = bool | str | list[str] | BaseModel | Json | Answer
"""A scripted decision: yes or no, the key of an option, a ranking, the value of a human task, or an `Answer` with all
that may be said."""
Result = BaseModel | Failure | Exception
Script = Mapping[str, Result | list[Result]]
Payload = BaseModel | Json
Events = Mapping[str, Payload | list[Payload]]


@dataclass(slots=True)
class Simulated:
    """How a simulated run ended, or what it waits for."""

    run: InMemoryRun
    started: list[str] = field(default_factory=list[str])
    """Keys of the attempts in the order they began: `build`, and inside loops `build:2`."""
    lines: list[str] = field(default_factory=list[str])
    """What the real functions printed and logged."""

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def error(self) -> Json | None:
        return self.run.error

    @property
    def waiting(self) -> list[str]:
        """Ids of the approvals and human tasks that ask and of the waits for events, in this order."""
        return [row.node for row in (*self.run.waiting, *self.run.waiting_events)]

    @property
    def elapsed(self) -> timedelta:
        """How far the clock has jumped."""
        return timedelta(milliseconds=self.run.now_ms)

    def output(self, model: type[M], node: str, iteration: str = "") -> M:
        """Raises `KeyError` where there is none."""
        return self.run.output(model, node, iteration)

    def state(self, node: str, iteration: str = "") -> str:
        """The node's state as people see it. Raises `KeyError` for a node that was never in the tree."""
        return self.run.nodes[node_key(node, iteration)].state


def simulate(  # shape: parameters: what may be scripted
    workflow: AnyWorkflow,
    input: Json | BaseModel | None = None,
    *,
    results: Script | None = None,
    decisions: Mapping[str, Said | tuple[Said, ...]] | None = None,
    approved_before: Mapping[str, int] | None = None,
    signals: Events | None = None,
    rebuild: bool = False,
) -> Simulated:
    """Runs until the run is over or waits for a decision or an event that is not scripted.

    `results` stand in for a task's body, by node id: a value, a failure, or a list with one for each attempt or pass
    (the last one repeats). Tasks without one really run. `decisions` are what people say, by node id; a tuple has one
    for each time somebody is asked (the last one repeats). A question with a timeout that nobody answers ends by it.
    `signals` are sent by name to waits as they open: a payload for each of them, or a list that ends; a wait that gets
    none lasts until its timeout. `approved_before` says how often people have approved a node in a row in earlier runs,
    for `AutoApprove(after=...)`. Retries and timers take no time. With `rebuild` the planner's memory is thrown away
    after every event, as a crash would. Raises what `up` would refuse: `InvalidInput`, `RenderError`; and
    `AnswerRefused` where a scripted decision does not fit what is asked.
    """
    given = input.model_dump(mode="json") if isinstance(input, BaseModel) else dict(input or {})
    simulated = Simulated(InMemoryRun(workflow, given, rebuild=rebuild, approved_before=approved_before or {}))
    scripts = {id: iter_of(script) for id, script in (results or {}).items()}
    people = {id: said_in_turn(script) for id, script in (decisions or {}).items()}
    payloads = {name: iter(one) if isinstance(one, list) else repeat(one) for name, one in (signals or {}).items()}
    for _ in range(MOST_EVENTS):
        if simulated.run.is_over:
            return simulated
        if not (decide(simulated, people) or send(simulated, payloads) or work(simulated, scripts)):
            return simulated
    raise SmithersError(f"The workflow goes on after {MOST_EVENTS} events: an endless loop needs a scripted end.")


def iter_of(script: Result | list[Result]) -> Any:
    if isinstance(script, list):
        return chain(script, repeat(script[-1]))
    return repeat(script)


def said_in_turn(script: Said | tuple[Said, ...]) -> Iterator[Said]:
    return chain(script, repeat(script[-1])) if isinstance(script, tuple) else repeat(script)


def decide(simulated: Simulated, people: Mapping[str, Iterator[Said]]) -> bool:
    for row in simulated.run.waiting:
        if row.node in people:
            simulated.run.say(row.node, row.iteration, answer_of(row, next(people[row.node])))
            return True
    return False


def answer_of(row: NodeRow, said: Said) -> Answer:
    """A scripted decision in the words of what is asked."""
    match said:
        case Answer():
            return said
        case bool():
            return Answer(said, "tester")
        case str():
            return Answer(True, "tester", choice=said)
        case BaseModel():
            return Answer(True, "tester", value=said.model_dump(mode="json"))
        case list() if mode_of(row.detail) == "rank":
            return Answer(True, "tester", ranking=tuple(said))
        case _:
            return Answer(True, "tester", value=said)


def send(simulated: Simulated, payloads: Mapping[str, Any]) -> bool:
    """Sends the event that the first open wait is for, with its correlation id."""
    for row in simulated.run.waiting_events:
        about = row.detail or {}
        payload = next(payloads.get(about["event"], iter(())), None)
        if payload is not None:
            simulated.run.signal(about["event"], payload, correlation=about["correlation"])
            return True
    return False


def work(simulated: Simulated, scripts: Mapping[str, Any]) -> bool:
    """Does the first task in flight; with none, the timer that is due first."""
    run = simulated.run
    tasks = [command for command in run.work if command.kind != "timer"]
    if tasks:
        attempt(simulated, tasks[0], scripts)
        return True
    timers = sorted(run.work, key=lambda command: run.due_ms[command.n])
    if timers:
        run.fire(timers[0].n)
    return bool(timers)


def attempt(simulated: Simulated, command: Command, scripts: Mapping[str, Any]) -> None:
    run, n = simulated.run, command.n
    memory = run.planner.state.nodes[node_key(command.node, command.iteration)]
    if memory.cancelling:
        run.cancelled(n)
        return
    simulated.started.append(f"{command.node}:{command.iteration}" if command.iteration else command.node)
    run.now_ms = max(run.now_ms, run.due_ms[n])
    if command.node not in scripts:
        really(simulated, command)
        return
    match next(scripts[command.node]):
        case BaseModel() as value:
            run.finish(n, value)
        case Failure() as failure:
            run.fail(n, failure.message, retryable=failure.retryable)
        case error:
            run.fail(n, f"{type(error).__name__}: {error}")


def really(simulated: Simulated, command: Command) -> None:
    """Calls the task's function as a worker would."""
    from smithers_activities.compute import perform

    run = simulated.run
    limits: Json = (command.payload or {}).get("limits") or {}
    context = TaskContext(
        run_id=run.run_id,
        node_id=command.node,
        iteration=command.iteration,
        attempt=command.attempt,
        delivery=1,
        deadline=None,
        clock=lambda: datetime.fromtimestamp(run.now_ms / 1000, UTC),
        flag=CancelFlag(),
        sink=Kept(simulated.lines),
        meter=Meter(command.node, limits.get("tokens")),
    )
    outcome = perform(run.planner.body(command.node, command.iteration), context)
    used = {} if outcome.usage is None else {"usage": outcome.usage}
    run.end(command.n, outcome.outcome, output=outcome.output, error=outcome.error, **used)


@dataclass(frozen=True, slots=True)
class Kept:
    """A sink that keeps lines in a list."""

    lines: list[str]

    def write(self, stream: str, text: str, /) -> None:  # noqa: ARG002  the seam has both
        self.lines.append(text)
