"""What all nodes have in common: who they are, what they wait for, when they are left out, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    ApprovalGate,
    AutoApprove,
    Branch,
    Caught,
    Child,
    Context,
    Decision,
    DecisionTable,
    ForEach,
    HumanTask,
    Loop,
    MergeQueue,
    Parallel,
    Race,
    Ralph,
    Rule,
    Saga,
    SagaStep,
    Sequence,
    Signal,
    Task,
    Timer,
    TryCatchFinally,
    Turn,
    WaitForEvent,
    Workflow,
    call,
)
from smithers.engine.check import preflight
from smithers.engine.entry import Json
from smithers.engine.preview import preview
from smithers.errors import RenderError
from smithers.testing import InMemoryRun, fails, simulate
from tests.unit.engine.asking import Out, task, work
from tests.unit.engine.by_hand import at_work, number, start

Make = Callable[..., Any]
LEAVES: dict[str, Make] = {
    "task": task,
    "gated": lambda name, **props: task(name, needs_approval=True, **props),
    "approval": lambda name, **props: Approval(name, title="?", **props),
    "human": lambda name, **props: HumanTask(name, output=Out, prompt="?", **props),
    "timer": lambda name, **props: Timer(name, duration="1h", **props),
    "wait": lambda name, **props: WaitForEvent(name, event="e", output=Out, **props),
    "signal": lambda name, **props: Signal(name, output=Out, **props),
}
leaves = pytest.mark.parametrize("make", LEAVES.values(), ids=LEAVES)


def shown(tree: Any) -> Json:
    """The workflow as `smithers graph` shows it."""
    return preview(Workflow("shown", tree if callable(tree) else lambda ctx: tree, None), {})


@pytest.mark.feature("common.skipif-leaf")
@leaves
def test_a_node_that_is_skipped_is_bypassed(make: Make, rebuild: bool) -> None:
    run = start(Sequence[make("off", skip_if=True), task("after", depends_on=["off"])], rebuild)

    assert at_work(run) == ["after"]
    assert run.nodes["off:"].state == "skipped"


GROUPS: dict[str, Callable[[bool], Child]] = {
    "sequence": lambda skip: Sequence(skip_if=skip)[task("in")],
    "parallel": lambda skip: Parallel(skip_if=skip)[task("in")],
    "merge-queue": lambda skip: MergeQueue(skip_if=skip)[task("in")],
    "loop": lambda skip: Loop("l", until=False, max_iterations=1, skip_if=skip)[task("in")],
    "for-each": lambda skip: ForEach("f", items=["x"], skip_if=skip)[lambda each: task("in")],
    "branch": lambda skip: Branch(True, then=task("in"), skip_if=skip),
    "table": lambda skip: DecisionTable([Rule(when=True, then=task("in"))], skip_if=skip),
    "try": lambda skip: TryCatchFinally(skip_if=skip)[task("in")],
    "saga": lambda skip: Saga(skip_if=skip)[SagaStep("s")[task("in")]],
    "race": lambda skip: Race(skip_if=skip)[task("in")],
    "timed": lambda skip: Sequence(id="g", timeout="1h", skip_if=skip)[task("in")],
}


@pytest.mark.feature("common.skipif-null", "props.seq.skipif", "props.seq.skip", "props.par.skipif", "props.par.skip")
@pytest.mark.feature("props.loop.skipif")
@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
def test_a_group_that_is_skipped_has_nothing_below(make: Callable[[bool], Child], rebuild: bool) -> None:
    left_out, there = start(Sequence[make(True), task("after")], rebuild), start(make(False), rebuild)

    assert (at_work(left_out), list(left_out.nodes)) == (["after"], ["after:"])
    assert "in" in {key.split(":")[0] for key in there.nodes}


@pytest.mark.feature(
    "common.depends-on", "common.needs", "props.task.dependson", "props.task.needs", "props.approval.deps"
)
@leaves
def test_a_node_begins_when_all_that_it_names_is_done(make: Make, rebuild: bool) -> None:
    node = make("node", depends_on=["a"], needs={"other": "b"})
    run = start(Parallel[node, task("a"), task("b", skip_if=True), task("c")], rebuild)

    assert (run.nodes["node:"].state, run.waiting, run.waiting_events) == ("pending", [], [])
    run.finish(number(run, "c"), Out())
    assert run.nodes["node:"].state == "pending"
    run.finish(number(run, "a"), Out())
    assert run.nodes["node:"].state in ("running", "waiting-approval", "waiting-timer", "waiting-event")


@pytest.mark.feature("common.node-status", "timer.status")
@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("task", "running"),
        ("gated", "waiting-approval"),
        ("approval", "waiting-approval"),
        ("human", "waiting-approval"),
        ("timer", "waiting-timer"),
        ("wait", "waiting-event"),
        ("signal", "waiting-event"),
    ],
)
def test_what_a_node_waits_for_is_its_state_and_the_runs(kind: str, state: str) -> None:
    run = start(LEAVES[kind]("node"))

    assert (run.nodes["node:"].state, run.status) == (state, state)


@pytest.mark.feature("common.meta", "task.meta", "props.task.meta", "common.label", "task.label", "props.task.label")
@leaves
def test_labels_and_metadata_are_shown_with_the_node(make: Make) -> None:
    tree = make("node", label="A name", meta={"team": "x", "cost": 1})

    (node,) = shown(tree)["children"]
    row = start(tree).nodes["node:"]

    assert (node["label"], node["meta"]) == ("A name", {"team": "x", "cost": 1})
    assert (row.label, (row.detail or {})["meta"]) == ("A name", {"team": "x", "cost": 1})


@pytest.mark.feature("common.label", "props.approval.label", "approval.label")
def test_what_people_are_asked_has_a_name_of_its_own() -> None:
    run = start(Parallel[Approval("a", title="Ship it?"), HumanTask("h", output=Out, prompt="?"), task("t")])

    assert [run.nodes[key].label for key in ("a:", "h:", "t:")] == ["Ship it?", "human:h", ""]


# Ids


@pytest.mark.feature("common.duplicate-id", "task.id.duplicate")
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: task("twice"), "Task"),
        (lambda: Timer("twice", duration="1s"), "Timer"),
        (lambda: Loop("twice", until=False)[Approval("inner")], "Loop"),
        (lambda: TryCatchFinally(id="twice")[Sequence[()]], "TryCatchFinally"),
    ],
)
def test_an_id_stands_once_in_a_tree(make: Callable[[], Any], kind: str) -> None:
    with pytest.raises(RenderError) as refused:
        preflight(Workflow("w", lambda ctx: Sequence[make(), make()], None), {})

    assert refused.value.message.startswith(f"Duplicate {kind} id detected: 'twice'")
    assert {name: refused.value.data[name] for name in ("code", "kind", "id")} == {
        "code": "DUPLICATE_ID",
        "kind": kind,
        "id": "twice",
    }


@pytest.mark.feature(
    "common.durable-key", "task.id", "props.task.id", "task.descriptor-id", "loop.descriptor-iteration"
)
def test_a_node_is_known_by_run_id_and_iteration_and_another_id_is_another_node() -> None:
    def tree(id: str) -> Workflow[Any]:
        return Workflow("w", lambda ctx: Loop("l", until=lambda: ctx.iteration_count("old") >= 1)[task(id)], None)

    run = InMemoryRun(tree("old"))
    run.finish(run.work[0].n, Out(n=1))
    renamed = InMemoryRun(tree("new"))
    renamed.finish(renamed.work[0].n, Out())

    assert [(row.node, row.iteration, row.state) for row in run.nodes.values()] == [("old", "0", "finished")]
    assert [(c.node, c.iteration) for c in renamed.work] == [("new", "1")]
    with pytest.raises(KeyError):
        renamed.output(Out, "old", "0")


# The root


@pytest.mark.feature("workflow.implicit-sequence", "workflow.children", "props.seq.children")
def test_what_a_workflow_returns_runs_in_source_order(run: Any) -> None:
    ended = run(lambda ctx: [task("a"), None, Parallel[task("b")], [Timer("t", duration="10ms"), task("c")]])

    assert (ended.status, ended.started) == ("finished", ["a", "b", "c"])


@pytest.mark.feature("workflow.explicit-sequence")
def test_a_sequence_around_everything_changes_nothing() -> None:
    nodes = [task("a"), Approval("b"), Timer("c", duration="1h"), task("d")]
    plain, wrapped = start(lambda ctx: nodes), start(lambda ctx: Sequence[nodes])

    for run in (plain, wrapped):
        run.finish(run.work[0].n, Out())
        run.decide("b")

    assert [plan.frame for plan in plain.plans] == [plan.frame for plan in wrapped.plans]
    assert at_work(plain) == at_work(wrapped) == ["c"]


@pytest.mark.feature("workflow.host", "common.host-elements", "workflow.extract")
@pytest.mark.feature("parallel.id", "parallel.descriptor", "mergequeue.descriptor", "props.par.id", "props.par.max")
def test_every_element_is_shown_by_its_kind_in_the_order_of_the_source() -> None:
    tree = Sequence(id="all")[
        Parallel(id="lanes", max_concurrency=2)[task("t"), Approval("a")],
        MergeQueue(id="queue")[HumanTask("h", output=Out, prompt="?"), Timer("n", duration="1h")],
        WaitForEvent("w", event="e", output=Out, correlation_id="c"),
        Signal("s", output=Out),
        Loop("l", until=False, max_iterations=3)[task("u")],
        TryCatchFinally(id="try")[task("v")],
        Saga(id="saga")[SagaStep("x")[task("y")]],
        Race(id="race")[task("z")],
    ]

    root = shown(tree)
    (whole,) = root["children"]
    lanes, queue = whole["children"][:2]

    assert (root["kind"], root["id"], whole["kind"], whole["id"]) == ("workflow", "shown", "sequence", "all")
    assert (lanes["kind"], lanes["id"], lanes["max_concurrency"]) == ("parallel", "lanes", 2)
    assert (queue["kind"], queue["id"], queue["max_concurrency"]) == ("merge-queue", "queue", 1)
    assert [child["kind"] for child in lanes["children"] + queue["children"]] == [
        "task",
        "approval",
        "humantask",
        "timer",
    ]
    waits = [(wait["event"], wait["correlation"], wait["output"]) for wait in whole["children"][2:4]]
    assert waits == [("e", "c", "Out"), ("s", None, "Out")]
    assert [(child["kind"], child["id"]) for child in whole["children"][2:]] == [
        ("wait-for-event", "w"),
        ("signal", "s"),
        ("loop", "l"),
        ("trycatchfinally", "try"),
        ("saga", "saga"),
        ("race", "race"),
    ]


# Conditions


@pytest.mark.feature("common.rerender", "props.loop.until")
def test_conditions_are_looked_at_again_whenever_something_is_done(run: Any) -> None:
    """`then`, `when`, `skip_if`, `until` and `condition` see what the task before has brought."""

    def make(ctx: Context[Any]) -> Child:
        def late() -> Child:
            found = ctx.output_maybe(Out, "a")
            high = found is not None and found.n > 1
            return [
                Branch(high, then=task("high"), otherwise=task("low")),
                DecisionTable([Rule(when=high, then=task("ruled"))], default=task("default")),
                task("skipped", skip_if=high),
                ApprovalGate("gate", when=not high),
                Approval("auto", auto_approve=AutoApprove(condition=lambda: ctx.output(Out, "a").n > 1)),
                Loop("l", until=lambda: ctx.output(Out, "a").n > 1)[task("never")],
            ]

        return Sequence[Task("a", output=Out)[call(work, 2)], late]

    ended = run(make)

    assert (ended.status, ended.started) == ("finished", ["a", "high", "ruled", "gate"])
    assert ended.output(Decision, "auto").approved


# Tasks


@pytest.mark.feature("task.timeoutMs", "props.task.timeout")
def test_the_time_limit_is_that_of_each_attempt() -> None:
    run = start(task("a", timeout="30s", retries=1))
    first = run.work[0]
    run.fail(first.n)

    assert [first.timeout_ms, run.work[0].timeout_ms] == [30_000, 30_000]
    assert start(task("a")).work[0].timeout_ms == 0


@pytest.mark.feature("task.deps.iteration", "props.task.deps")
def test_dependencies_in_a_loop_are_those_of_the_pass_and_outside_of_the_last(run: Any) -> None:
    def step(turn: Turn) -> Child:
        return [Task("a", output=Out)[call(work, turn.iteration + 1)], Task("b", output=Out, deps={"a": Out})[tenfold]]

    def make(ctx: Context[Any]) -> Child:
        loop = Loop("l", until=lambda: ctx.iteration_count("b") >= 3)[step]
        return Sequence[loop, Task("end", output=Out, deps={"b": Out})[last]]

    ended = run(make)

    assert [ended.output(Out, "b", str(turn)).n for turn in range(3)] == [10, 20, 30]
    assert ended.output(Out, "end").n == 31


@pytest.mark.feature("task.deps.iteration")
def test_a_dependency_in_an_inner_loop_is_that_of_its_last_pass_within_this_one(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def outer(turn: Turn) -> Child:
            inner = Loop("inner", until=False, max_iterations=2)[
                lambda within: Task("a", output=Out)[call(work, turn.iteration * 10 + within.iteration)]
            ]
            return [inner, Task("b", output=Out, deps={"a": Out})[tenfold]]

        return Loop("outer", until=False, max_iterations=2)[outer]

    ended = run(make)

    assert [ended.output(Out, "a", turn).n for turn in ("0.0", "0.1", "1.0", "1.1")] == [0, 1, 10, 11]
    assert [ended.output(Out, "b", turn).n for turn in ("0", "1")] == [10, 110]


def tenfold(a: Out) -> Out:
    return Out(n=a.n * 10)


def last(b: Out) -> Out:
    return Out(n=b.n + 1)


class Exit(BaseModel):
    code: int
    text: str


@pytest.mark.feature("task.compute.shell")
def test_a_function_may_run_commands_of_the_shell() -> None:
    import subprocess

    def check() -> Exit:
        ran = subprocess.run(["sh", "-c", "echo two errors; exit 3"], capture_output=True, text=True, check=False)
        return Exit(code=ran.returncode, text=ran.stdout.strip())

    ended = simulate(Workflow("w", lambda ctx: Task("lint", output=Exit)[check], None))

    assert ended.output(Exit, "lint") == Exit(code=3, text="two errors")


@pytest.mark.feature("mergequeue.cross-run")
def test_a_queue_is_of_one_run() -> None:
    queue = MergeQueue(id="main")[task("a"), task("b")]

    first, second = start(queue), start(queue)

    assert at_work(first) == at_work(second) == ["a"]


# Loops


@pytest.mark.feature("loop.latest.undefined", "loop.reset", "loop.prompt-iteration")
def test_every_run_counts_its_passes_from_0_and_reads_nothing_before_the_first(rebuild: bool) -> None:
    seen: list[Out | None] = []

    def make(ctx: Context[Any]) -> Child:
        def until() -> bool:
            seen.append(ctx.latest(Out, "ask"))
            return ctx.iteration_count("ask") >= 2

        return Loop("l", until=until)[lambda: HumanTask("ask", output=Out, prompt=f"Round {ctx.iteration}?")]

    first = start(make, rebuild)
    first.answer("ask", Out(n=2), iteration="0")
    second = start(make, rebuild)

    assert seen[0] is None
    assert [(row.iteration, (row.detail or {})["prompt"]) for row in first.waiting] == [("1", "Round 1?")]
    assert [(row.iteration, (row.detail or {})["prompt"]) for row in second.waiting] == [("0", "Round 0?")]


@pytest.mark.feature("loop.id", "props.loop.autoid", "props.ralph")
def test_a_loop_without_an_id_keeps_its_pass_though_the_tree_grows_before_it(rebuild: bool) -> None:
    assert Ralph is Loop

    def make(ctx: Context[Any]) -> Child:
        def more() -> Child:
            return task("more") if ctx.output_maybe(Out, "step", iteration=0) else None

        return Parallel[more, Loop(until=False, max_iterations=2)[task("step")]]

    run = start(make, rebuild)
    run.finish(number(run, "step"), Out())

    assert [(c.node, c.iteration) for c in run.work] == [("more", ""), ("step", "1")]
    assert run.planner.state.loops == {"step:loop:": 1}


def test_a_loop_with_nothing_in_it_is_refused() -> None:
    with pytest.raises(RenderError, match="has nothing in it"):
        preflight(Workflow("w", lambda ctx: Sequence[task("a"), Loop(until=False)], None), {})


def test_a_failure_knows_the_node_of_a_loop_it_came_from(rebuild: bool) -> None:
    caught: list[Caught] = []

    def note(failure: Caught) -> Child:
        caught.append(failure)

    tree = TryCatchFinally(id="t", catch=note)[Loop(until=False, max_iterations=1)[task("bad", retries=0)]]

    simulate(Workflow("w", lambda ctx: tree, None), results={"bad": fails()}, rebuild=rebuild)

    assert (caught[-1].node, caught[-1].iteration) == ("bad", "0")
