"""Runs a whole workflow in memory: scripted tasks, scripted decisions, a clock that jumps from timer to timer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import chain, repeat
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from smithers.engine.answer import Answer, mode_of
from smithers.engine.check import preflight
from smithers.engine.command import Command, is_nudge
from smithers.engine.entry import Json, node_key, split_node_key
from smithers.engine.frame import NodeRow
from smithers.engine.reads import Misread
from smithers.engine.state import CONTINUED
from smithers.engine.subflows import child_id, refusal, told
from smithers.errors import InputError, InvalidOutput, SmithersError
from smithers.flow.subflow import Subflow
from smithers.flow.task import Task
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
Result = BaseModel | Json | Failure | Exception
Script = Mapping[str, Result | list[Result]]
Payload = BaseModel | Json
Events = Mapping[str, Payload | list[Payload]]


@dataclass(slots=True)
class Simulated:
    """How a simulated run ended, or what it waits for."""

    run: InMemoryRun
    """Of a run that has continued as new: the last one."""
    before: list[InMemoryRun] = field(default_factory=list[InMemoryRun])
    """Those that it goes on for, oldest first."""
    started: list[str] = field(default_factory=list[str])
    """Keys of the attempts in the order they began: `build`, inside loops `build:2`, in a subflow `research.find`."""
    children: dict[int, Simulated] = field(default_factory=dict[int, "Simulated"])
    """The runs of its subflows, by the number of the command that each carries out."""
    prefix: str = ""
    """Of a child run: what its ids begin with in scripts and in what the run above says."""
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
        rows = [(run.prefix, row) for run in self.every() for row in run.run.waiting]
        rows += [(run.prefix, row) for run in self.every() for row in run.run.waiting_events]
        return [f"{prefix.removeprefix(self.prefix)}{row.node}" for prefix, row in rows]

    def ids(self) -> Iterator[str]:
        """Of all nodes that were in the trees of this run, those before it, and those below it."""
        for run in (*self.before, self.run):
            yield from (self.prefix + split_node_key(key)[0] for key in run.nodes)
        for child in self.children.values():
            yield from child.ids()

    def every(self) -> Iterator[Simulated]:
        """This run and all child runs below it that are not over."""
        yield self
        for n in self.run.open:
            if n in self.children:
                yield from self.children[n].every()

    def goes_on(self) -> bool:
        """Lets the next run begin, if this one has continued as new."""
        if self.status != CONTINUED:
            return False
        self.before.append(self.run)
        self.run, self.children = self.run.following(), {}
        return True

    def child(self, node: str, iteration: str = "") -> Simulated:
        """The last run of a subflow. Raises `KeyError` where it has none."""
        mine = [one for one in self.children.values() if is_of(one.run.parent, node, iteration)]
        if not mine:
            raise KeyError(node_key(node, iteration))
        return mine[-1]

    @property
    def elapsed(self) -> timedelta:
        """How far the clock has jumped."""
        return timedelta(milliseconds=self.run.now_ms)

    def output(self, model: type[M], node: str, iteration: str = "") -> M:
        """Raises `KeyError` where there is none."""
        return self.run.output(model, node, iteration)

    def state(self, node: str, iteration: str = "") -> str:
        """The node's state as people see it. Raises `KeyError` for a node that was never in the tree."""
        return self.run.row(node, iteration).state


def simulate(  # shape: parameters: what may be scripted
    workflow: AnyWorkflow,
    input: Json | BaseModel | None = None,
    *,
    results: Script | None = None,
    decisions: Mapping[str, Said | tuple[Said, ...]] | None = None,
    approved_before: Mapping[str, int] | None = None,
    signals: Events | None = None,
    rebuild: bool = False,
    runs: int | None = None,
) -> Simulated:
    """Runs until the run is over or waits for a decision or an event that is not scripted.

    A script for an id that never came, and that looks like a misspelt one which did, gives a `UserWarning`.

    `results` stand in for a task's body, by node id: a value, a failure, or a list with one for each attempt or pass
    (the last one repeats). A value that does not fit the task's model raises `InvalidOutput`. Tasks without one really
    run. `decisions` are what people say, by node id; a tuple has one for each time somebody is asked (the last one
    repeats). Where not everybody may decide, it is an `Answer(True, by="ann")`. A question with a timeout that nobody
    answers ends by it.
    The child of a subflow runs too, in memory: its nodes are named with the subflow's id before theirs, as in
    `research.find`, and a result for the subflow itself stands in for the child.
    `signals` are sent by name to waits as they open: a payload for each of them, or a list that ends; a wait that gets
    none lasts until its timeout. `approved_before` says how often people have approved a node in a row in earlier runs,
    for `AutoApprove(after=...)`. Retries and timers take no time. With `rebuild` the planner's memory is thrown away
    after every event, as a crash would. A run that continues as new is followed to the last one; `runs` says how many
    are run at most, for a chain without an end. Raises what `up` would refuse: `InvalidInput`, `RenderError`; and
    `AnswerRefused` where a scripted decision does not fit what is asked.
    """
    given = input.model_dump(mode="json") if isinstance(input, BaseModel) else dict(input or {})
    preflight(workflow, given)
    simulated = Simulated(InMemoryRun(workflow, given, rebuild=rebuild, approved_before=approved_before or {}))
    scripts = {id: iter_of(id, script) for id, script in (results or {}).items()}
    people = {id: said_in_turn(script) for id, script in (decisions or {}).items()}
    payloads = {name: iter(one) if isinstance(one, list) else repeat(one) for name, one in (signals or {}).items()}
    for _ in range(MOST_EVENTS):
        is_last = runs is not None and len(simulated.before) + 1 >= runs and simulated.run.is_over
        if is_last or not (
            simulated.goes_on() or (not simulated.run.is_over and step(simulated, people, payloads, scripts))
        ):
            warn_of_misspelt(simulated, scripts, people)
            return simulated
    raise SmithersError(f"The workflow goes on after {MOST_EVENTS} events: an endless loop needs a scripted end.")


def warn_of_misspelt(simulated: Simulated, *scripts: Mapping[str, object]) -> None:
    """Scripts may be for nodes of a branch that was not taken; this is for those that can hardly be."""
    scripted, known = set[str]().union(*scripts), set(simulated.ids())
    for id in sorted(scripted - known):
        near = get_close_matches(id, sorted(known - scripted), 1)
        if near:
            text = f"{id!r} is scripted, but no node had that id. Did you mean {near[0]!r}?"
            warnings.warn(text, UserWarning, stacklevel=3)


def iter_of(id: str, script: Result | list[Result]) -> Any:
    if isinstance(script, list):
        if not script:
            raise InputError(f"results[{id!r}] is an empty list: give a result for each attempt, or leave it out.")
        return chain(script, repeat(script[-1]))
    return repeat(script)


def said_in_turn(script: Said | tuple[Said, ...]) -> Iterator[Said]:
    return chain(script, repeat(script[-1])) if isinstance(script, tuple) else repeat(script)


def step(
    simulated: Simulated, people: Mapping[str, Iterator[Said]], payloads: Mapping[str, Any], scripts: Mapping[str, Any]
) -> bool:
    """Lets one thing happen, in this run or in those below it. False where nothing can."""
    runs = list(simulated.every())
    if any(come_back(run) for run in runs):
        return True
    if any(decide(run, people) for run in runs) or any(send(run, payloads) for run in runs):
        return True
    return any(work(run, scripts, simulated.started) for run in runs) or fire(runs)


def is_of(parent: Json | None, node: str, iteration: str) -> bool:
    return parent is not None and (parent["node"], parent["iteration"]) == (node, iteration)


def come_back(simulated: Simulated) -> bool:
    """Ends the node of a child run that is over; tells one that is not wanted any more."""
    run = simulated.run
    for command in run.work:
        child = simulated.children.get(command.n)
        if child is None:
            continue
        if child.goes_on():
            return True
        if child.run.is_over:
            planner = child.run.planner
            name = child.run.workflow.name
            about = told(planner.tree.root, planner.state, child.status, child.error, name)
            run.now_ms = max(run.now_ms, child.run.now_ms)
            run.end(command.n, about.pop("outcome"), **about)
            return True
        memory = run.planner.state.nodes[node_key(command.node, command.iteration)]
        if memory.cancelling and child.run.planner.state.cancelled is None:
            child.run.cancel("its parent does not want it any more")
            return True
    return False


def decide(simulated: Simulated, people: Mapping[str, Iterator[Said]]) -> bool:
    for row in simulated.run.waiting:
        words = people.get(simulated.prefix + row.node)
        if words is not None:
            simulated.run.say(row.node, row.iteration, answer_of(row, next(words)))
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
            return Answer(True, "tester", value=said.model_dump(mode="json", by_alias=True))
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


def work(simulated: Simulated, scripts: Mapping[str, Any], began: list[str]) -> bool:
    """Does the first task in flight. `began` is told of what begins in runs below."""
    run = simulated.run
    tasks = [c for c in run.work if c.kind != "timer" and c.n not in simulated.children]
    if tasks:
        before = len(simulated.started)
        attempt(simulated, tasks[0], scripts)
        if simulated.prefix:
            began += [simulated.prefix + one for one in simulated.started[before:]]
    return bool(tasks)


def fire(runs: list[Simulated]) -> bool:
    """Fires the timer that is due first. Reminders and escalations alone bring nobody on: there may be no end of
    them."""
    due = [(one.run.due_ms[c.n], place, c) for place, one in enumerate(runs) for c in one.run.work]
    due = [(at_ms, place, c) for at_ms, place, c in due if c.n not in runs[place].children]
    timers = [(at_ms, place, c.n) for at_ms, place, c in due]
    if not all(is_nudge(c) for _, _, c in due):
        _, place, n = min(timers)
        runs[place].run.fire(n)
        return True
    return False


def launch(simulated: Simulated, command: Command) -> None:
    """Starts a child run, at the time its parent has."""
    run, about = simulated.run, command.payload or {}
    refused = refusal(command.node, about)
    if refused is not None:
        run.end(command.n, "failed", error=refused)
        return
    subflow = run.planner.tree.leaves[node_key(command.node, command.iteration)].element
    assert isinstance(subflow, Subflow)
    parent: Json = {"run": run.run_id, "node": command.node, "iteration": command.iteration, "depth": about["depth"]}
    id = child_id(run.run_id, command.node, command.iteration, command.attempt)
    options = {"timeout_ms": about["timeout_ms"]} if about["timeout_ms"] else {}
    child = InMemoryRun(
        subflow.workflow, about["input"], options, run.rebuild, id, parent=parent, now_ms=max(run.now_ms, 0)
    )
    prefix = f"{simulated.prefix}{command.node}."
    simulated.children[command.n] = Simulated(child, prefix=prefix, lines=simulated.lines)


def attempt(simulated: Simulated, command: Command, scripts: Mapping[str, Any]) -> None:
    run, n = simulated.run, command.n
    memory = run.planner.state.nodes[node_key(command.node, command.iteration)]
    if memory.cancelling:
        run.cancelled(n)
        return
    simulated.started.append(f"{command.node}:{command.iteration}" if command.iteration else command.node)
    run.now_ms = max(run.now_ms, run.due_ms[n])
    script = scripts.get(simulated.prefix + command.node)
    if script is None:
        (launch if command.kind == "subflow" else really)(simulated, command)
        return
    match next(script):
        case Failure() as failure:
            run.fail(n, failure.message, retryable=failure.retryable)
        case Exception() as error:
            run.fail(n, f"{type(error).__name__}: {error}")
        case value:
            run.finish(n, scripted(simulated, command, value))


def scripted(simulated: Simulated, command: Command, value: object) -> Any:
    """A scripted output as a body's would be stored. Raises `InvalidOutput` where the node has another model."""
    from smithers_activities.output import validated

    element = simulated.run.planner.tree.leaves[node_key(command.node, command.iteration)].element
    assert isinstance(element, Task)
    return validated(value, element.output, simulated.prefix + command.node)


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
    try:
        body = run.planner.body(command.node, command.iteration)
    except Misread as error:
        run.end(command.n, "failed", error={**InvalidOutput(error.message).wire(), "retryable": False})
        return
    outcome = perform(body, context)
    used = {} if outcome.usage is None else {"usage": outcome.usage}
    run.end(command.n, outcome.outcome, output=outcome.output, error=outcome.error, **used)


@dataclass(frozen=True, slots=True)
class Kept:
    """A sink that keeps lines in a list."""

    lines: list[str]

    def write(self, stream: str, text: str, /) -> None:  # noqa: ARG002  the seam has both
        self.lines.append(text)
