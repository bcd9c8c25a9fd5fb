"""Generated workflows: random trees whose parts read outputs, and a driver that lets anything happen in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from pydantic import BaseModel, field_validator

from smithers import (
    Approval,
    Aspects,
    AutoApprove,
    Branch,
    Child,
    Context,
    CostBudget,
    Each,
    Estimate,
    ForEach,
    HumanTask,
    LatencySlo,
    Loop,
    MergeQueue,
    Parallel,
    Queue,
    Race,
    Saga,
    SagaStep,
    Sequence,
    Signal,
    Subflow,
    Task,
    Timer,
    TokenBudget,
    TryCatchFinally,
    Turn,
    WaitForEvent,
    call,
    workflow,
)
from smithers.engine.entry import decided_key
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import Sent
from smithers.errors import AnswerRefused, SmithersError, WrongState
from smithers.flow.workflow import AnyWorkflow, Workflow
from smithers.testing.memory_run import InMemoryRun
from tests.unit.engine.garnish import after, by_some, hidden, in_time, of_attempts, timely, waiting
from tests.unit.engine.onward import going_on
from tests.unit.engine.overtaken import OvertakenRun


class Out(BaseModel):
    n: int = 0


EVENTS = ("go", "stop")


class Even(Out):
    """What a form cannot say: only the model knows that odd numbers do not fit."""

    @field_validator("n")
    @classmethod
    def is_even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("is odd")
        return n


def work(n: int = 0) -> Out:
    return Out(n=n)


def relay(other: Out) -> Out:
    return Out(n=other.n)


@workflow
def elsewhere(ctx: Context[Any]) -> Child:
    """What child runs run; nobody looks into them here."""
    return Task("there", output=Out)[work]


@dataclass
class Grower:
    """Grows one tree from a seed. Ids are given out in the order of growth, so that reads can name earlier tasks."""

    dice: random.Random
    ids: int = 0
    tasks: list[str] = field(default_factory=list[str])
    within: int = 0
    """How many inline subflows and cleanups are around: nothing in them continues the run as new."""
    onward: int = 0
    """How many places continue the run as new."""

    def fresh(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}{self.ids}"

    def grow(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        kinds = ["task"] * 4 + ["approval", "human", "child", "timer", "wait", "signal"]
        if depth:
            kinds += [
                "sequence",
                "sequence",
                "parallel",
                "parallel",
                "loop",
                "part",
                "part",
                "branch",
                "guard",
                "saga",
                "race",
                "inline",
                "aspects",
                "merge",
                "for_each",
            ]
        return getattr(self, f"a_{self.dice.choice(kinds)}")(depth, known)

    def several(self, depth: int, known: tuple[str, ...]) -> list[Callable[[Context[Any]], Child]]:
        grown: list[Callable[[Context[Any]], Child]] = []
        for _ in range(self.dice.randint(1, 4)):
            before = len(self.tasks)
            grown.append(self.grow(depth - 1, known))
            known = (*known, *self.tasks[before:])
        return grown

    def a_task(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, dice = self.fresh("task"), self.dice
        self.tasks.append(id)
        props: dict[str, Any] = {
            "continue_on_fail": dice.random() < 0.3,
            "skip_if": dice.random() < 0.1,
            "isolated": dice.random() < 0.1,
            "needs_approval": dice.random() < 0.1,
            "estimate": Estimate(tokens=dice.choice([0, 0, 3, 12, 50]), cost_usd=dice.choice([0, 0, 0.07])),
        }
        props |= self.followed_up() if props["needs_approval"] else {}
        props |= in_time(id) if props["needs_approval"] else {}
        props["async_"] = props["needs_approval"] and dice.random() < 0.5
        props["queue"] = (Queue("narrow"), Queue("wide", 2), None, None)[crc32(id.encode()) % 4]
        props |= after(dice, known) | of_attempts(dice)
        if known and dice.random() < 0.1:
            props |= {"deps": {"other": Out}, "needs": {"other": dice.choice(known)}}
            return lambda ctx: Task(id, output=Out, **props)[relay]
        return lambda ctx: Task(id, output=Out, **props)[work]

    def a_child(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, dice = self.fresh("child"), self.dice
        self.tasks.append(id)
        props: dict[str, Any] = {
            "output": dice.choice([Out, Out, Even]),
            "retries": dice.choice([0, 1]),
            "continue_on_fail": dice.random() < 0.3,
            "needs_approval": dice.random() < 0.1,
            **after(dice, known),
            **hidden(dice),
        }
        props |= in_time(id) if props["needs_approval"] else {}
        return lambda ctx: Subflow(id, workflow=elsewhere, **props)

    def a_inline(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        """What is grown in it reads what is in it, and is read by nothing outside."""
        id, dice, outside = self.fresh("sub"), self.dice, len(self.tasks)
        self.within += 1
        inner = self.several(depth, ())
        self.within -= 1
        self.tasks[outside:] = [id]
        props: dict[str, Any] = {
            "output": dice.choice([Out, Out, Even]),
            "continue_on_fail": dice.random() < 0.3,
            "skip_if": dice.random() < 0.05,
            "timeout": dice.choice([None, None, None, "1m"]),
            "depends_on": [dice.choice(known)] if known and dice.random() < 0.2 else [],
        }
        child: AnyWorkflow = Workflow(f"in-{id}", lambda ctx: Sequence[(one(ctx) for one in inner)], None)
        return lambda ctx: Subflow(id, workflow=child, mode="inline", **props)

    def a_approval(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id = self.fresh("ask")
        mode = self.dice.choice(["approve", "approve", "approve", "select", "rank"])
        plain = mode == "approve"
        props: dict[str, Any] = {
            "mode": mode,
            "options": () if plain else ("a", "b"),
            "on_deny": self.dice.choice(["fail", "continue", "skip"] if plain else ["fail", "skip"]),
            "on_timeout": self.dice.choice(
                ["fail", "continue", "skip", "deny", "approve"] if plain else ["fail", "skip", "deny"]
            ),
            "timeout": self.dice.choice([None, "1h"]),
            "quorum": self.dice.choice([1, 1, 2]) if plain else 1,
            "async_": self.dice.random() < 0.4,
            "continue_on_fail": self.dice.random() < 0.2,
            **self.followed_up(),
            **after(self.dice, known),
            **hidden(self.dice),
            **by_some(self.dice, scopes=True),
        }
        if props["on_timeout"] == "approve":
            props["timeout"] = "1h"
        timely(props)
        if not plain and self.dice.random() < 0.2:
            first: Any = "a" if mode == "select" else ["b", "a"]
            props |= {"timeout": "1h", "on_timeout": "default", "default": first}
        if props["on_deny"] == "fail":
            props["retries"] = self.dice.choice([0, 1])
        read = self.dice.choice([*known, ""]) if plain else ""

        def make(ctx: Context[Any]) -> Child:
            def holds(ctx: Context[Any]) -> bool:
                found = ctx.output_maybe(Out, read)
                return found is not None and found.n % 2 == 1

            return Approval(id, title="?", auto_approve=AutoApprove(condition=holds) if read else None, **props)

        return make

    def followed_up(self) -> dict[str, Any]:
        """Now and then people are reminded, or others may decide after a while."""
        props: dict[str, Any] = {}
        if self.dice.random() < 0.4:
            props |= {"remind_after": "10m", "reminders": self.dice.randint(1, 3)}
        if self.dice.random() < 0.3:
            others = {"escalate_to": ["eve"]} if self.dice.random() < 0.7 else {"escalate_to_scopes": ["leads"]}
            props |= {"escalate_after": "20m", **others}
        return props

    def a_human(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id = self.fresh("human")
        self.tasks.append(id)
        props: dict[str, Any] = {
            "max_attempts": self.dice.randint(1, 3),
            "timeout": self.dice.choice([None, "1h"]),
            "on_timeout": self.dice.choice(["fail", "skip"]),
            "async_": self.dice.random() < 0.4,
            "continue_on_fail": self.dice.random() < 0.2,
            **self.followed_up(),
            **after(self.dice, known),
            **hidden(self.dice),
            **by_some(self.dice, scopes=False),
        }
        if self.dice.random() < 0.2:
            props |= {"timeout": "1h", "on_timeout": "default", "default": Even(n=2)}
        return lambda ctx: HumanTask(id, output=Even, prompt="A number?", **timely(props))

    def a_timer(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, props = self.fresh("timer"), {**after(self.dice, known), **hidden(self.dice)}
        when = {"until": "2001-01-01T00:00:00Z"} if self.dice.random() < 0.2 else {"duration": "1m"}
        return lambda ctx: Timer(id, **when, **props)

    def a_wait(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, event, props = self.fresh("wait"), self.dice.choice(EVENTS), waiting(self.dice)
        self.tasks.append(id)
        props |= after(self.dice, known)
        return lambda ctx: WaitForEvent(id, event=event, output=Out, **props)

    def a_signal(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, props = self.fresh("signal"), waiting(self.dice) | after(self.dice, known)
        inner = self.several(depth, known) if depth and self.dice.random() < 0.5 else []
        self.tasks.append(id)

        def make(ctx: Context[Any]) -> Child:
            def render(payload: Out) -> Child:
                extra = [Task(f"{id}-{i}", output=Out)[call(work, i)] for i in range(payload.n % 3)]
                return [*extra, *(one(ctx) for one in inner)]

            signal = Signal(id, output=Out, **props)
            return signal[render] if inner else signal

        return make

    def a_sequence(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        inner, limit = self.several(depth, known), self.limit()
        inner = going_on(self, inner, known, Out)
        return lambda ctx: Sequence(**limit)[(one(ctx) for one in inner)]

    def limit(self) -> dict[str, Any]:
        """Now and then a group has a time limit."""
        if self.dice.random() < 0.8:
            return hidden(self.dice)
        return {
            "id": self.fresh("limit"),
            "timeout": "1m",
            "on_timeout": self.dice.choice(["fail", "skip", "continue"]),
        }

    def a_race(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, inner, props = self.fresh("race"), self.several(depth, known), hidden(self.dice)
        return lambda ctx: Race(id=id, **props)[(one(ctx) for one in inner)]

    def a_aspects(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, dice, inner = self.fresh("scope"), self.dice, self.several(depth, known)
        policy: Any = dice.choice(["fail", "warn", "skip-remaining"])
        tokens = TokenBudget(max=dice.randint(1, 40), per_task=dice.choice([None, 5, 30]), on_exceeded=policy)
        cost = CostBudget(max_usd=dice.choice([0.1, 0.5]), on_exceeded=dice.choice(["fail", "warn", "skip-remaining"]))
        slow = LatencySlo(max="1m", per_task=dice.choice([None, "5s"]), on_exceeded=dice.choice(["fail", "warn"]))
        budgets: Any = dice.choice([{"token_budget": tokens}, {"token_budget": tokens, "cost_budget": cost}])
        slo = slow if dice.random() < 0.3 else None
        wide = dice.random() < 0.6

        def make(ctx: Context[Any]) -> Child:
            children = [one(ctx) for one in inner]
            return Aspects(id=id, latency_slo=slo, **budgets)[Parallel[children] if wide else children]

        return make

    def a_parallel(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        inner, cap, fast = self.several(depth, known), self.dice.choice([None, 1, 2]), self.dice.random() < 0.3
        limit, lanes = self.limit(), going_on(self, inner, known, Out)
        return lambda ctx: Parallel(max_concurrency=cap, fail_fast=fast, **limit)[(one(ctx) for one in lanes)]

    def a_merge(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        inner = self.several(depth, known)
        shared, cap = self.dice.choice([(None, 1), (None, 2), ("narrow", None), ("wide", 2)])
        return lambda ctx: MergeQueue(shared=shared, max_concurrency=cap)[(one(ctx) for one in inner)]

    def a_for_each(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        """What is in it is read by nothing outside."""
        id, cap, fast = self.fresh("each"), self.dice.choice([None, 1, 2]), self.dice.random() < 0.3
        count, limit = self.dice.randint(0, 3), {**self.limit(), "id": id}
        key = self.dice.choice([None, str])

        def one(each: Each[int]) -> Child:
            return Task(each.id("task"), output=Out)[call(work, each.value)]

        return lambda ctx: ForEach(**limit, items=range(count), key=key, max_concurrency=cap, fail_fast=fast)[one]

    def a_loop(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, inner, passes = self.fresh("loop"), self.several(depth, known), self.dice.randint(1, 3)
        plain = self.dice.random() < 0.5
        on_max: Any = self.dice.choice(["fail", "return-last"])
        props = {name: value for name, value in self.limit().items() if name != "id"}

        def make(ctx: Context[Any]) -> Child:
            def body(turn: Turn) -> Child:
                return [one(ctx) for one in inner]

            def until(turn: Turn) -> bool:
                return turn.iteration >= passes

            children = Sequence[(one(ctx) for one in inner)] if plain else body
            return Loop(id, until=until, max_iterations=3, on_max_reached=on_max, **props)[children]

        return make

    def a_part(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        inner, read = self.several(depth, known), self.dice.choice([*known, ""])
        how = self.dice.choice(["output", "output_maybe", "latest"])

        def make(ctx: Context[Any]) -> Child:
            def part() -> Child:
                value: Any = getattr(ctx, how)(Out, read) if read else None
                extra = (
                    [Task(f"{inner_id}-{i}", output=Out)[call(work, i)] for i in range(value.n % 3)] if value else []
                )
                return [*extra, *(one(ctx) for one in inner)]

            return part

        inner_id = self.fresh("extra")
        return make

    def a_guard(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, dice, inner = self.fresh("guard"), self.dice, self.several(depth, known)
        catch = self.grow(depth - 1, known) if dice.random() < 0.6 else None
        self.within += 1
        finally_ = self.grow(depth - 1, known) if dice.random() < 0.6 else None
        self.within -= 1
        codes: Any = dice.choice([None, None, ["TASK_FAILED"], ["OTHER"]]) if catch else None
        props = hidden(dice)

        def make(ctx: Context[Any]) -> Child:
            handlers: dict[str, Any] = {"catch": catch and catch(ctx), "finally_": finally_ and finally_(ctx)}
            return TryCatchFinally(id=id, catch_errors=codes, **handlers, **props)[(one(ctx) for one in inner)]

        return make

    def a_saga(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        id, actions = self.fresh("saga"), self.several(depth, known)
        self.within += 1
        undoing = [self.grow(depth - 1, known) if self.dice.random() < 0.7 else None for _ in actions]
        self.within -= 1
        policy: Any = self.dice.choice(["compensate", "compensate-and-fail", "fail"])
        props = hidden(self.dice)

        def make(ctx: Context[Any]) -> Child:
            steps = enumerate(zip(actions, undoing, strict=True))
            return Saga(id=id, on_failure=policy, **props)[
                (SagaStep(f"{id}-{i}", compensation=undo and undo(ctx))[do(ctx)] for i, (do, undo) in steps)
            ]

        return make

    def a_branch(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        yes, no = self.grow(depth - 1, known), self.grow(depth - 1, known)
        read = self.dice.choice([*known, ""])

        def make(ctx: Context[Any]) -> Child:
            def part() -> Child:
                found = ctx.output_maybe(Out, read) if read else None
                return Branch(found is not None and found.n % 2, then=yes(ctx), otherwise=no(ctx))

            return part

        return make


def grown_workflow(seed: int, depth: int = 3) -> AnyWorkflow:
    """The same workflow for the same seed, in any process."""
    dice = random.Random(seed)
    grower = Grower(dice)
    inner = grower.several(depth, ())
    return Workflow("grown", lambda ctx: Sequence[(one(ctx) for one in inner)], None)


def scoped_workflow(seed: int, depth: int = 3) -> AnyWorkflow:
    """One that is all within budgets."""
    inner = Grower(random.Random(seed)).a_aspects(depth, ())
    return Workflow("scoped", inner, None)


def answers(run: InMemoryRun, row: NodeRow) -> list[tuple[str, Callable[[], None]]]:
    """What people may say: what fits, what does not, and no."""

    def say(**answer: Any) -> None:
        run.decide(row.node, iteration=row.iteration, scopes=("ops",), **answer)

    def fill_in(n: Any) -> None:
        with suppress(AnswerRefused):
            run.answer(row.node, {"n": n}, iteration=row.iteration)

    events: list[tuple[str, Callable[[], None]]] = [(f"deny {row.node}", lambda: say(approved=False))]
    match (row.detail or {}).get("mode", "approve"):
        case "human":
            events += [(f"answer {row.node} {n}", lambda n=n: fill_in(n)) for n in (2, 2, 3, "no number")]
        case "select":
            events += [(f"select {row.node} {key}", lambda key=key: say(choice=key)) for key in "ab"]
        case "rank":
            events += [(f"rank {row.node}", lambda: say(ranking=["b", "a"]))] * 2
        case _:
            by = "ann" if not run.said(row).votes else "bob"
            events += [(f"approve {row.node} by {by}", lambda: say(by=by))] * 2
            if by == "bob":
                events.append(
                    (f"withdraw {row.node}", lambda: run.withdraw(row.node, iteration=row.iteration, by="ann"))
                )
    return events


def happen(run: InMemoryRun, dice: random.Random) -> str:
    """Lets one thing happen that could happen, and says which."""
    if isinstance(run, OvertakenRun) and lets_go(run, dice):
        return "the frame is stored"
    events = ends(run, dice)
    for row in run.waiting:
        if row.decision_key in run.keys:
            continue
        events += answers(run, row)
    events += signals(run, dice)
    events += turns(run)
    if dice.random() < 0.01 and run.planner.state.cancelled is None:
        events = [("cancel", run.cancel)]
    held = run.planner.state.paused is not None
    if dice.random() < (0.3 if held or not events else 0.03) and run.planner.state.cancelled is None:
        events = [("unpause", run.unpause) if held else ("pause", run.pause)]
    if dice.random() < 0.02 and (again := runs_again(run, dice)):
        return again
    if run.workflow.name == "shifting" and dice.random() < 0.05:
        run.amend({"n": len(run.log)})
        return "amend"
    if not events:
        run.paused = False
        run.let_go() if isinstance(run, OvertakenRun) else run.plan()
        return "plan"
    run.paused = dice.random() < 0.25
    what, act = dice.choice(events)
    act()
    return what


def ends(run: InMemoryRun, dice: random.Random) -> list[tuple[str, Callable[[], None]]]:
    """How what is in flight may end."""
    events: list[tuple[str, Callable[[], None]]] = []
    for command in run.work:
        n = command.n
        if command.kind == "timer" and decided_key(command.node, command.iteration, command.attempt) in run.keys:
            continue  # somebody was quicker
        if command.kind == "timer":
            events.append((f"fire {n}", lambda n=n: run.fire(n)))
        elif run.planner.state.nodes[f"{command.node}:{command.iteration}"].cancelling:
            events.append((f"cancelled {n}", lambda n=n: run.cancelled(n)))
            events.append((f"finish late {n}", lambda n=n: run.finish(n, Out(n=n))))
        else:
            used = {"input_tokens": dice.choice([0, 2, 15]), "output_tokens": 1, "cost_usd": dice.choice([0, 0.07])}
            events += [(f"finish {n}", lambda n=n, used=used: run.finish(n, Out(n=n), used))] * 6
            events.append((f"fail {n}", lambda n=n: run.fail(n)))
            events.append((f"lose {n}", lambda n=n: run.lose(n)))
    return events


def lets_go(run: OvertakenRun, dice: random.Random) -> bool:
    """Whether the frame of a plan is stored now, and not behind what happens next."""
    if run.pending is not None and dice.random() < 0.25:
        run.let_go()
        return True
    run.holding = run.pending is not None or dice.random() < 0.8
    return False


def turns(run: InMemoryRun) -> list[tuple[str, Callable[[], None]]]:
    """Other runs give the slots of queues back that they hold, and take some."""

    def take(name: str) -> None:
        run.taken[name] = 2

    wanted = {(command.payload or {})["queue"] for command in run.open.values() if command.kind == "turn"}
    held = [(f"free {name}", lambda name=name: run.free(name)) for name, taken in run.taken.items() if taken]
    return held + [(f"take {name}", lambda name=name: take(name)) for name in sorted(wanted) if not run.taken.get(name)]


def runs_again(run: InMemoryRun, dice: random.Random) -> str:
    """Has a node that is over run again; empty where it must not."""
    over = [row for row in run.nodes.values() if row.state in ("finished", "failed", "skipped", "cancelled")]
    if not over:
        return ""
    row = dice.choice(over)
    try:
        run.retry(row.node, iteration=row.iteration, dependents=dice.random() < 0.8)
    except WrongState:
        return ""
    return f"retry {row.node}:{row.iteration}"


def signals(run: InMemoryRun, dice: random.Random) -> list[tuple[str, Callable[[], None]]]:
    """Events for those who wait, and sometimes one for nobody, or one with a payload that does not fit."""
    wanted = [(row.detail or {}) for row in run.waiting_events]
    pairs: list[tuple[str, str | None, Any]]
    pairs = [(about["event"], about["correlation"], {"n": len(run.log)}) for about in wanted for _ in range(3)]
    if dice.random() < 0.05:
        pairs.append((dice.choice(EVENTS), dice.choice([None, "c"]), dice.choice([{"n": 1}, {"n": "x"}, None])))

    def send(name: str, correlation: str | None, payload: Any) -> None:
        sent = Sent(name, payload, correlation, None, len(run.log))
        run.tell("signal", sent.key, sent.data)

    return [(f"send {name} {payload}", lambda pair=(name, corr, payload): send(*pair)) for name, corr, payload in pairs]


def resumes(run: InMemoryRun, dice: random.Random) -> bool:
    """Resumes a failed run once or twice, to see that it goes on from where it failed."""
    if run.status != "failed" or dice.random() < 0.7:
        return False
    run.paused = False
    run.resume()
    return not run.is_over


def life(
    seed: int,
    *,
    rebuild: bool = False,
    most: int = 300,
    grow: Callable[[int], AnyWorkflow] = grown_workflow,
    kind: type[InMemoryRun] = InMemoryRun,
) -> tuple[InMemoryRun | None, list[str]]:
    """Runs a grown workflow to its end with random events. None where the tree itself is refused."""
    dice = random.Random(seed * 7919 + 1)
    happened: list[str] = []
    try:
        run = kind(grow(seed), rebuild=rebuild)
        while len(happened) < most and (not run.is_over or resumes(run, dice)):
            happened.append(happen(run, dice))
    except SmithersError as error:
        return None, [*happened, type(error).__name__, str(error.data.get("code", ""))]
    return run, happened


def told(run: InMemoryRun) -> list[tuple[Any, ...]]:
    """All that a run's plans say."""
    return [
        (plan.frame, plan.commands, plan.closed, plan.nodes, plan.status, plan.error, plan.covers, plan.unless)
        for plan in run.plans
    ]
