"""Subflows: a workflow as a node of another one, inline and as a run of its own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from smithers import (
    Approval,
    CachePolicy,
    Child,
    Context,
    Loop,
    Parallel,
    Race,
    Saga,
    SagaStep,
    Sequence,
    Signal,
    Subflow,
    Task,
    Timer,
    TryCatchFinally,
    Workflow,
    call,
    workflow,
)
from smithers.errors import InvalidElement, RenderError
from smithers.testing import InMemoryRun, fails, simulate

pytestmark = pytest.mark.decision("0011")


class Out(BaseModel):
    n: int = 0


class Big(BaseModel):
    n: int = Field(ge=100)


class Topic(BaseModel):
    name: str
    times: int = 1


class Note(BaseModel):
    text: str


def work(n: int = 0) -> Out:
    return Out(n=n)


def note(text: str) -> Note:
    return Note(text=text)


def task(id: str, n: int = 0, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work, n)]


@workflow(input=Topic)
def research(ctx: Context[Topic]) -> Child:
    def write() -> Child:
        found = ctx.output(Out, "find")
        return Task("write", output=Note)[call(note, f"{ctx.input.name} {found.n}")]

    return Sequence[Task("find", output=Out)[call(work, ctx.input.times)], write]


@workflow
def asking(ctx: Context[Any]) -> Child:
    return Sequence[Approval("ask", title="Go on?"), task("done", 7)]


@workflow
def cleaning(ctx: Context[Any]) -> Child:
    return TryCatchFinally(id="block", finally_=task("clean", 1))[task("first", 1), Timer("wait", duration="1h")]


@workflow
def tidy(ctx: Context[Any]) -> Child:
    return TryCatchFinally(id="block", finally_=task("zz", 1))[task("kept", 2)]


@workflow
def bare(ctx: Context[Any]) -> Child:
    return Timer("wait", duration="1h")


@workflow
def endless(ctx: Context[Any]) -> Child:
    return Subflow("again", workflow=endless, output=Out)


@workflow
def endless_inline(ctx: Context[Any]) -> Child:
    return Subflow("again", workflow=endless_inline, output=Out, mode="inline")


def about(text: str, **props: Any) -> Subflow[Note]:
    return Subflow("research", workflow=research, output=Note, input={"name": text, "times": 3}, **props)


MODES = pytest.mark.parametrize("mode", ["child_run", "inline"])


@MODES
@pytest.mark.feature("subflow.id", "subflow.workflow", "subflow.input", "subflow.output")
def test_the_childs_last_output_is_the_nodes(run: Any, mode: str) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def after() -> Child:
            return task("after", len(ctx.output(Note, "research").text))

        return Sequence[about("bees", mode=mode), after]

    ended = run(tree)

    assert ended.status == "finished"
    assert ended.output(Note, "research") == Note(text="bees 3")
    assert ended.output(Out, "after") == Out(n=6)


@pytest.mark.feature("subflow.mode.inline", "subflow.schedule")
def test_inline_nodes_stand_in_the_parents_tree_with_the_subflows_id_before_theirs(rebuild: bool) -> None:
    ended = simulate_tree(Parallel[about("bees", mode="inline"), task("find", 1)], rebuild=rebuild)

    assert ended.started == ["research.find", "find", "research.write"]
    assert ended.output(Out, "research.find").n == 3
    assert ended.output(Out, "find").n == 1
    assert not ended.children


@pytest.mark.feature("subflow.mode.childRun", "subflow.schedule")
def test_a_child_run_is_one_node_of_its_parent(rebuild: bool) -> None:
    ended = simulate_tree(about("bees"), rebuild=rebuild)

    assert list(ended.run.nodes) == ["research:"]
    assert [(command.kind, command.node) for plan in ended.run.plans for command in plan.commands] == [
        ("subflow", "research"),
        ("complete", ""),
    ]
    child = ended.child("research")
    assert child.run.run_id == "test.research.1"
    assert child.output(Note, "write") == Note(text="bees 3")
    assert ended.started == ["research", "research.find", "research.write"]


def simulate_tree(tree: Any, **more: Any) -> Any:
    function = tree if callable(tree) else lambda ctx: tree
    return simulate(Workflow("parent", function, None), **more)


@MODES
@pytest.mark.feature("subflow.dependsOn", "subflow.needs")
def test_what_it_depends_on_comes_first(run: Any, mode: str) -> None:
    ended = run(Parallel[about("a", mode=mode, depends_on=["x"], needs={"why": "y"}), task("x"), task("y")])

    assert ended.status == "finished"
    entries = ended.started if mode == "inline" or not hasattr(ended, "children") else ended.started[:3]
    assert set(entries[:2]) == {"x", "y"}


@MODES
@pytest.mark.feature("subflow.skipIf")
def test_a_skipped_one_runs_nothing_and_needs_no_input(mode: str, rebuild: bool) -> None:
    skipped = Subflow("research", workflow=research, output=Note, skip_if=True, mode=mode)  # type: ignore[arg-type]
    ended = simulate_tree(Sequence[skipped, task("after")], rebuild=rebuild)

    assert ended.started == ["after"]
    assert ended.state("research") == "skipped"


@MODES
@pytest.mark.feature("subflow.continueOnFail")
def test_a_tolerated_failure_lets_the_parent_go_on(mode: str, rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def reader() -> Child:
            return task("reader", len(ctx.output(Note, "research").text))

        return Sequence[about("a", mode=mode, continue_on_fail=True), reader, task("after")]

    ended = simulate_tree(tree, results={"research.find": fails(retryable=False)}, rebuild=rebuild)

    assert ended.status == "finished"
    assert ended.started == [*(["research"] if mode == "child_run" else []), "research.find", "after"]


@pytest.mark.feature("subflow.failed-child", "run.wfexec.failed", "err.WORKFLOW_EXECUTION_FAILED")
def test_the_childs_failure_is_the_nodes_with_its_error_and_run_id(rebuild: bool) -> None:
    ended = simulate_tree(about("a"), results={"research.write": fails("no ink", retryable=False)}, rebuild=rebuild)

    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "WORKFLOW_EXECUTION_FAILED"
    assert ended.error["node"] == "research"
    assert ended.error["data"]["status"] == "failed"
    assert ended.error["data"]["run_id"] == "test.research.1"
    assert ended.error["data"]["error"]["message"] == "no ink"


@pytest.mark.feature("subflow.retries", "subflow.retryPolicy")
def test_a_retry_is_a_fresh_run_of_the_child(rebuild: bool) -> None:
    script: Any = {"research.find": [fails(retryable=False), Out(n=1)]}
    ended = simulate_tree(about("a", retries=1), results=script, rebuild=rebuild)

    assert ended.status == "finished"
    assert [child.run.run_id for child in ended.children.values()] == ["test.research.1", "test.research.2"]
    assert ended.elapsed.total_seconds() >= 1, "the policy's delay"
    assert simulate_tree(about("a"), results=script).status == "failed", "none by default"


@pytest.mark.feature("subflow.timeoutMs")
def test_a_child_that_takes_too_long_cleans_up_and_fails_the_node(rebuild: bool) -> None:
    slow = Subflow("slow", workflow=cleaning, output=Out, timeout="5m")
    ended = simulate_tree(slow, rebuild=rebuild)

    assert ended.status == "failed"
    assert ended.child("slow").error is not None
    assert ended.error is not None
    assert ended.error["data"]["error"]["code"] == "GROUP_TIMEOUT"
    assert ended.child("slow").state("clean") == "finished"


@pytest.mark.feature("subflow.timeoutMs")
def test_an_inline_one_that_takes_too_long_fails(rebuild: bool) -> None:
    ended = simulate_tree(Subflow("slow", workflow=bare, output=Out, timeout="5m", mode="inline"), rebuild=rebuild)

    assert ended.error is not None
    assert ended.error["code"] == "GROUP_TIMEOUT"


@MODES
@pytest.mark.feature("subflow.output")
def test_an_output_that_does_not_fit_fails_the_node(run: Any, mode: str) -> None:
    ended = run(Subflow("big", workflow=asking, output=Big, mode=mode), decisions={"big.ask": True})  # type: ignore[arg-type]

    assert ended.status == "failed"
    assert ended.error["code"] == "INVALID_OUTPUT"
    assert "Big" in ended.error["message"]
    assert "test_subflow.py:" in ended.error["message"]


@MODES
@pytest.mark.feature("subflow.output")
def test_a_cleanup_is_not_what_a_child_ends_with(run: Any, mode: str) -> None:
    ended = run(Subflow("part", workflow=tidy, output=Out, mode=mode))  # type: ignore[arg-type]

    assert ended.output(Out, "part") == Out(n=2)


@MODES
@pytest.mark.feature("subflow.output")
def test_a_child_without_any_output_fails_the_node(mode: str, rebuild: bool) -> None:
    ended = simulate_tree(Subflow("bare", workflow=bare, output=Out, mode=mode), rebuild=rebuild)  # type: ignore[arg-type]

    assert ended.error is not None
    assert ended.error["code"] == "INVALID_OUTPUT"
    assert "no task of it has an output" in ended.error["message"]


@MODES
@pytest.mark.feature("subflow.input")
def test_input_that_does_not_fit_is_refused_before_anything_runs(mode: str) -> None:
    with pytest.raises(RenderError, match=r"test_subflow.py:\d+: .*'name'") as error:
        simulate_tree(Subflow("research", workflow=research, output=Note, input={"nmae": "a"}, mode=mode))  # type: ignore[arg-type]

    assert error.value.data["node"] == "research"


@pytest.mark.feature("subflow.nested")
def test_children_hold_subflows(rebuild: bool) -> None:
    middle = Workflow("middle", lambda ctx: Sequence[about("deep", mode="inline")], None)
    ended = simulate_tree(Subflow("outer", workflow=middle, output=Note, mode="inline"), rebuild=rebuild)

    assert ended.started == ["outer.research.find", "outer.research.write"]
    assert ended.output(Note, "outer") == Note(text="deep 3")


@pytest.mark.feature("subflow.nested")
def test_a_tree_that_holds_itself_without_end_is_refused() -> None:
    with pytest.raises(RenderError, match="runs itself without end") as error:
        simulate(endless_inline)

    assert error.value.data["code"] == "SUBFLOW_TOO_DEEP"


@pytest.mark.feature("subflow.nested")
def test_a_run_that_starts_itself_without_end_fails(rebuild: bool) -> None:
    ended = simulate(endless, rebuild=rebuild)
    error, depth = ended.error, 0
    while error is not None and "error" in error.get("data", {}):
        error, depth = error["data"]["error"], depth + 1

    assert (ended.status, depth) == ("failed", 16)
    assert error is not None
    assert error["code"] == "SUBFLOW_TOO_DEEP"


@MODES
def test_people_are_seen_to_be_asked_below(mode: str, rebuild: bool) -> None:
    tree = Subflow("part", workflow=asking, output=Out, mode=mode)  # type: ignore[arg-type]

    assert simulate_tree(tree, rebuild=rebuild).waiting == ["part.ask"]
    assert simulate_tree(tree, decisions={"part.ask": True}, rebuild=rebuild).output(Out, "part") == Out(n=7)


@pytest.mark.feature("subflow.lineage")
def test_a_race_that_is_lost_cancels_the_child_and_waits_for_its_cleanup(run: Any) -> None:
    """Whoever withdraws the node: a race, a time limit, a failing group, a cancel."""
    ended = run(Race[Subflow("slow", workflow=cleaning, output=Out), Timer("soon", duration="1s")])

    assert ended.status == "finished"
    if hasattr(ended, "store"):
        (child,) = ended.store.children(ended.run_id)
        assert child.status == "cancelled"
        assert ended.store.node(child.run_id, "clean").state == "finished"
    else:
        assert ended.child("slow").status == "cancelled"
        assert ended.child("slow").state("clean") == "finished"


def test_a_stop_that_got_lost_is_planned_again(rebuild: bool) -> None:
    run = InMemoryRun(Workflow("p", lambda ctx: Sequence[about("a")], None), rebuild=rebuild)
    run.cancel()
    stop = next(command for command in run.open.values() if command.kind == "stop")
    del run.open[stop.n]
    run.tell("settled", f"settled:{stop.n}", {"n": stop.n, "why": "lost"})

    again = next(command for command in run.open.values() if command.kind == "stop")
    assert again.target == stop.target
    run.cancelled(run.work[0].n)
    assert run.status == "cancelled"


def test_a_plan_looks_only_at_what_was_told_to_stop(rebuild: bool) -> None:
    """Not at all that is in flight."""
    race = Race[about("slow"), Task("quick", output=Out)[work]]
    tree = Parallel[race, *(Task(f"t{at}", output=Out)[work] for at in range(20))]
    run = InMemoryRun(Workflow("p", lambda ctx: tree, None), rebuild=rebuild)
    by_node = {command.node: command.n for command in run.work}
    assert run.planner.told == set()

    run.finish(by_node["quick"], Out(n=1))

    assert run.planner.told == {by_node["research"]}
    run.cancelled(by_node["research"])
    run.finish(by_node["t0"], Out(n=1))
    assert run.planner.told == set()


@pytest.mark.feature("subflow.failed-child")
def test_a_child_that_somebody_cancels_fails_the_node_for_good(rebuild: bool) -> None:
    run = InMemoryRun(Workflow("p", lambda ctx: about("a", retries=3), None), rebuild=rebuild)
    error = {"code": "WORKFLOW_EXECUTION_FAILED", "message": "cancelled", "retryable": False}
    run.end(run.work[0].n, "cancelled", error=error)

    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "WORKFLOW_EXECUTION_FAILED"


@pytest.mark.feature("subflow.retries", "resume.contract")
def test_a_resume_goes_on_with_the_child_that_failed_and_a_retry_does_not(rebuild: bool) -> None:
    run = InMemoryRun(Workflow("p", lambda ctx: about("a", retries=1), None), rebuild=rebuild)
    error = {"code": "WORKFLOW_EXECUTION_FAILED", "message": "x", "retryable": True, "data": {"run_id": "r"}}
    run.end(run.work[0].n, "failed", error=error)
    assert run.work[0].payload is not None
    assert run.work[0].payload["again"] == 0
    run.end(run.work[0].n, "failed", error=error)
    run.resume()

    assert run.work[0].attempt == 3
    assert run.work[0].payload is not None
    assert run.work[0].payload["again"] == 2


def test_a_resume_after_an_output_that_did_not_fit_is_a_fresh_run(rebuild: bool) -> None:
    run = InMemoryRun(Workflow("p", lambda ctx: about("a"), None), rebuild=rebuild)
    run.finish(run.work[0].n, {"no": "text"})
    assert run.error is not None
    assert run.error["code"] == "INVALID_OUTPUT"
    run.resume()

    assert run.work[0].payload is not None
    assert run.work[0].payload["again"] == 0


@pytest.mark.feature("subflow.mode.inline")
def test_an_inline_child_in_a_loop_reads_its_own_pass(run: Any) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Loop("again", until=False, max_iterations=2)[about("bees", mode="inline")]

    ended = run(tree)

    assert ended.status == "finished"
    assert [ended.output(Note, "research", str(turn)).text for turn in (0, 1)] == ["bees 3", "bees 3"]


@pytest.mark.feature("subflow.mode.inline", "ctx.iterationcount")
def test_an_inline_child_in_a_loop_counts_the_passes_of_its_own_loops_anew(rebuild: bool) -> None:
    def child(ctx: Context[Any]) -> Child:
        return Loop("loop", until=lambda: ctx.iteration_count("turn") >= 2, max_iterations=9)[task("turn")]

    inner = Subflow("part", workflow=Workflow("child", child, None), output=Out, mode="inline")
    ended = simulate_tree(Loop("again", until=False, max_iterations=2)[inner], rebuild=rebuild)

    assert ended.status == "finished"
    assert ended.started == ["part.turn:0.0", "part.turn:0.1", "part.turn:1.0", "part.turn:1.1"]


@pytest.mark.feature("subflow.mode.inline")
def test_loops_blocks_signals_and_deps_of_an_inline_child_are_its_own(rebuild: bool) -> None:
    def child(ctx: Context[Any]) -> Child:
        def until() -> bool:
            last = ctx.latest(Out, "turn")
            return last is not None and ctx.iteration_count("turn") >= 2

        added = Task("added", output=Out, deps={"a": Out})[lambda a: Out(n=a.n + 10)]
        steps = Saga(id="saga")[SagaStep("one", compensation=task("undo"))[task("kept", 5)]]
        return Sequence[
            task("a", 1),
            added,
            Loop("loop", until=until, max_iterations=9)[task("turn", 3)],
            Signal("news", output=Out),
            steps,
        ]

    inner = Workflow("inner", child, None)
    both = Parallel[(Subflow(id, workflow=inner, output=Out, mode="inline") for id in ("left", "right"))]
    ended = simulate_tree(both, signals={"news": [Out(n=1), Out(n=2)]}, rebuild=rebuild)

    assert ended.status == "finished"
    assert ended.output(Out, "left.added").n == 11
    assert ended.started.count("left.turn:1") == 1
    assert "left.turn:2" not in ended.started
    assert ended.output(Out, "left") == ended.output(Out, "right") == Out(n=5), "from a block that is over"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"workflow": research.function}, "is no workflow"),
    ({"mode": "childRun"}, "use one of child_run, inline"),
    ({"input": 3}, "is no input"),
    ({"deps": {"a": Out}}, "use needs, and input"),
    ({"isolated": True}, "say it at the tasks"),
    ({"cache": CachePolicy()}, "cache is for tasks"),
    ({"mode": "inline", "retries": 1}, "retries is for mode='child_run'"),
    ({"output": dict}, "is not a pydantic model"),
    ({"retries": -2}, "give 0 or more"),
]


@pytest.mark.parametrize(("props", "why"), REFUSED)
def test_what_makes_no_sense_is_refused_where_it_is_written(props: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidElement, match=why) as error:
        Subflow("x", **{"workflow": research, "output": Note, **props})

    assert "test_subflow.py:" in error.value.data["where"]


def test_a_workflow_that_no_worker_could_find_is_refused() -> None:
    hidden = Workflow("hidden", lambda ctx: task("a"), None)
    with pytest.raises(RenderError, match="no name at the top of") as error:
        simulate_tree(Subflow("x", workflow=hidden, output=Out))

    assert error.value.data["code"] == "SUBFLOW_NOT_FOUND"


@pytest.mark.feature("subflow.label", "subflow.meta")
@MODES
def test_it_has_a_label_and_metadata(mode: str) -> None:
    named = Subflow("part", workflow=asking, output=Out, mode=mode, label="The part", meta={"a": 1})  # type: ignore[arg-type]
    ended = simulate_tree(named)

    assert dict(named.meta) == {"a": 1}
    assert ended.run.nodes["part:"].label == "The part"
    assert simulate_tree(Subflow("part", workflow=asking, output=Out)).run.nodes["part:"].label == "part"
