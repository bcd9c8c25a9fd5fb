"""One scripted run in three modes: the planner kept, the planner built anew after every event, and real Temporal."""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from smithers import Child, Context, RetryPolicy, Subflow, Task, TaskContext, Workflow, call
from smithers.engine.entry import Json, node_key
from smithers.engine.fold import UNPLANNED_KINDS, fold
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import Sent
from smithers.engine.state import State
from smithers.errors import NonRetryable
from smithers.flow.element import Element, Part
from smithers.flow.stored import read_back
from smithers.flow.workflow import AnyWorkflow
from smithers.project import Project
from smithers.store import open_store
from smithers.store.deciding import decide
from smithers.store.habit import habitual
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun, Run
from smithers.store.successors import following
from smithers.testing import Failure, Simulated, simulate
from smithers.testing.simulate import Said, answer_of, said_in_turn
from smithers.worker.code import LoadedCode
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings

M = TypeVar("M", bound=BaseModel)
Script = Said | tuple[Said, ...]
Mode = Literal["warm", "cold", "temporal"]
FINAL = ("finished", "failed", "cancelled", "continued")
LIMIT_S = 40.0
numbers = count(1)


@dataclass
class Really:
    """A run on real Temporal, read back from its store; the twin of `Simulated`."""

    store: Store
    run_id: str
    """Of a run that has continued as new: the last one."""
    started: list[str]
    before: list[Really] = field(default_factory=list["Really"])
    """Those that it goes on for, oldest first."""

    @property
    def record(self) -> Run:
        return self.store.run(self.run_id)

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def error(self) -> Json | None:
        return self.record.error

    @property
    def waiting(self) -> list[str]:
        return self.in_state("waiting-approval")

    def in_state(self, state: str) -> list[str]:
        return [row.node for row in self.store.nodes(self.run_id) if row.state == state]

    def output(self, model: type[M], node: str, iteration: str = "") -> M:
        entries = self.store.entries_by_key(self.run_id, f"ended:{node_key(node, iteration)}:a")
        finished = [entry for entry in entries if entry.data["outcome"] == "finished"]
        if finished:
            return read_back(model, finished[-1].data["output"])
        log = self.store.entries(self.run_id)
        memory = fold(State(run_id=self.run_id), log).nodes[node_key(node, iteration)]
        if not memory.has_output:
            raise KeyError(node_key(node, iteration))
        return read_back(model, memory.output)

    def state(self, node: str, iteration: str = "") -> str:
        return self.store.node(self.run_id, node, iteration).state


@dataclass
class Scripted:
    """A workflow whose tasks do what a script says, and write down that they began."""

    workflow: AnyWorkflow
    results: Mapping[str, Any]
    started: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)
    scripts: dict[str, Iterator[Any]] = field(default_factory=dict[str, Iterator[Any]])

    def __post_init__(self) -> None:
        for id, result in self.results.items():
            self.scripts[id] = chain(result, repeat(result[-1])) if isinstance(result, list) else repeat(result)

    def wrapped(self) -> AnyWorkflow:
        def render(ctx: Context[Any]) -> Child:
            return self.child(self.workflow.function(ctx))

        return Workflow(self.workflow.name, render, self.workflow.input)

    def child(self, child: Any) -> Any:
        match child:
            case Subflow():
                return child
            case Task():
                return self.task(child)
            case Part():
                return self.part(child)
            case Element():
                return replace(child, **{name: tuple(map(self.child, nodes)) for name, nodes in held(child)})
            case None | bool():
                return child
            case _ if callable(child):
                return self.part(child)
            case _:
                return [self.child(one) for one in child]

    def part(self, part: Any) -> Any:
        function = part.function if isinstance(part, Part) else part

        @functools.wraps(function)
        def render(*turn: Any) -> Any:
            return self.child(function(*turn))

        return Part(render, ()) if isinstance(part, Part) else render

    def task(self, task: Task[Any]) -> Task[Any]:
        if isinstance(task.body, BaseModel):
            inner: Callable[..., Any] = lambda value=task.body: value  # noqa: E731
            args: tuple[Any, ...] = ()
        else:
            assert task.bound is not None
            inner, args = task.bound.function, task.bound.args
        body = with_context(inner, self.noting(task.id, inner))
        quick = RetryPolicy("fixed", "10ms") if task.id in self.scripts else task.retry
        return replace(task, body=call(body, *args), captured=(), retry=quick)

    def noting(self, id: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def body(*args: Any, noted_: TaskContext, **kwargs: Any) -> Any:
            with self.lock:
                self.started.append(f"{id}:{noted_.iteration}" if noted_.iteration else id)
                result = next(self.scripts[id]) if id in self.scripts else None
            match result:
                case None:
                    return inner(*args, **kwargs)
                case Failure():
                    raise RuntimeError(result.message) if result.retryable else NonRetryable(result.message)
                case Exception():
                    raise result
                case _:
                    return result

        return body


def held(element: Element) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The fields of an element that hold nodes: its children, and handlers such as `catch`."""
    for one in fields(element):
        value = getattr(element, one.name)
        if isinstance(value, tuple) and value and all(isinstance(node, Element | Part) for node in value):
            yield one.name, value


def with_context(inner: Callable[..., Any], body: Callable[..., Any]) -> Callable[..., Any]:
    """Gives `body` the parameters of `inner` and one more for the task's context."""
    try:
        parameters = list(inspect.signature(inner).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    extra = inspect.Parameter("noted_", inspect.Parameter.KEYWORD_ONLY, annotation=TaskContext)
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        parameters.append(extra)
    body.__signature__ = inspect.Signature(parameters)
    return body


def questions(run: Really) -> list[NodeRow]:
    return [row for row in run.store.nodes(run.run_id) if row.state == "waiting-approval"]


@dataclass
class TemporalMode:
    """A project on a real server, for as many runs as wanted."""

    folder: Path

    def run(
        self,
        workflow: AnyWorkflow,
        input: Json,
        results: Mapping[str, Any],
        decisions: Mapping[str, Script],
        signals: Mapping[str, Any],
    ) -> Really:
        number = next(numbers)
        scripted = Scripted(workflow, results)
        digest = f"{number:064d}"
        code = LoadedCode(scripted.wrapped(), digest, self.folder / "flow.py", {}, "flow.py", {})
        project = Project(self.folder)
        store = open_store(project, create=True)
        worker = EmbeddedWorker(project, code, WorkerSettings(drain_s=1), store=store)
        worker.start()
        try:
            run = store.create_run(NewRun(f"run-{number}", workflow.name, input, digest, "flow.py"))
            worker.ring(run.run_id)
            ended = Really(store, run.run_id, scripted.started)
            payloads = {name: iter(one if isinstance(one, list) else repeat(one)) for name, one in signals.items()}
            self.see_it_through(worker, ended, decisions, payloads)
        finally:
            worker.stop()
        return ended

    def see_it_through(
        self,
        worker: EmbeddedWorker,
        run: Really,
        decisions: Mapping[str, Script],
        payloads: Mapping[str, Iterator[Any]],
    ) -> None:
        began = time.monotonic()
        people = {node: said_in_turn(script) for node, script in decisions.items()}
        next_words = {node: next(words) for node, words in people.items()}
        sent: set[str] = set()
        while run.status not in FINAL or self.goes_on(run):
            self.send(worker, run, payloads, sent)
            waiting = questions(run)
            # what people approve so often is about to be answered for them
            asked = [row for row in waiting if not habitual(run.store, run.run_id, [row])]
            answered = [row for row in asked if row.node in people]
            self.answer_below(worker, run.store, run.run_id, "", people)
            if not answered and asked == waiting and self.only_people_can_go_on(run) and questions(run) == waiting:
                return
            for row in answered:
                if decide(run.store, run.run_id, row, answer_of(row, next_words[row.node])) is not None:
                    next_words[row.node] = next(people[row.node])
                worker.ring(run.run_id)
            assert time.monotonic() - began < LIMIT_S, f"{run.record}\n{run.store.nodes(run.run_id)}"
            time.sleep(0.01)

    def goes_on(self, run: Really) -> bool:
        """Looks at the run that goes on for one that has continued as new."""
        if run.status != "continued":
            return False
        run.before.append(Really(run.store, run.run_id, run.started))
        run.run_id = following(run.store, run.run_id)
        return True

    def answer_below(
        self, worker: EmbeddedWorker, store: Store, run_id: str, prefix: str, people: Mapping[str, Iterator[Said]]
    ) -> None:
        """Answers what child runs ask, under names such as `research.ask`."""
        for child in store.children(run_id):
            inside = f"{prefix}{(child.parent or {})['node']}."
            for row in store.nodes(child.run_id):
                if row.state == "waiting-approval" and inside + row.node in people:
                    decide(store, child.run_id, row, answer_of(row, next(people[inside + row.node])))
                    worker.ring(child.run_id)
            self.answer_below(worker, store, child.run_id, inside, people)

    def only_people_can_go_on(self, run: Really) -> bool:
        """Whether the run waits for people alone, and everything that was stored is planned."""
        record = run.record
        if record.status != "waiting-approval":
            return False
        coming = any(row.command.kind in ("timer", "turn") for row in run.store.open_commands(run.run_id))
        later = run.store.entries(run.run_id, after=record.planned)
        return not coming and not any(entry.kind in UNPLANNED_KINDS for entry in later)

    def send(
        self, worker: EmbeddedWorker, run: Really, payloads: Mapping[str, Iterator[Any]], answered: set[str]
    ) -> None:
        """One event for each wait that is open and has none yet."""
        for row in run.store.nodes(run.run_id):
            about, key = row.detail or {}, node_key(row.node, row.iteration)
            if row.state != "waiting-event" or key in answered:
                continue
            answered.add(key)
            payload = next(payloads.get(about["event"], iter(())), None)
            if payload is not None:
                value = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else payload
                sent = Sent(about["event"], value, about["correlation"], "tester", time.time_ns())
                assert run.store.append(Append(run.run_id, (sent.fact,))).outcomes == ("stored",)
                worker.ring(run.run_id)


def run_in(mode: Mode, temporal: TemporalMode | None) -> Callable[..., Simulated | Really]:
    """A function that runs a tree, or a function of the context that returns one, with scripted results."""

    def run(
        make: Any,
        input: Json | None = None,
        *,
        results: Mapping[str, Any] | None = None,
        decisions: Mapping[str, Script] | None = None,
        signals: Mapping[str, Any] | None = None,
    ) -> Simulated | Really:
        function = make if callable(make) else lambda ctx: make
        workflow: AnyWorkflow = Workflow("ruled", function, None)
        if temporal is not None:
            return temporal.run(workflow, input or {}, results or {}, decisions or {}, signals or {})
        cold = mode == "cold"
        return simulate(workflow, input, results=results, decisions=decisions, signals=signals, rebuild=cold)

    return run
