"""The rulings of the design where the reference contradicts itself, and the documented behaviour of the elements."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Branch,
    Child,
    Context,
    Decision,
    Fragment,
    Loop,
    Parallel,
    Sequence,
    Task,
    Timer,
    Turn,
    Workflow,
    call,
)
from smithers.testing import InMemoryRun, fails, simulate
from tests.unit.engine.by_hand import start

pytestmark = pytest.mark.decision("0025")


class Out(BaseModel):
    n: int = 0


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


@pytest.mark.feature("sched.seq")
@pytest.mark.feature("sequence.order", "sequence.nest", "sequence.empty")
def test_a_sequence_runs_in_source_order(run: Any) -> None:
    ended = run(Sequence[task("a"), Sequence[()], Sequence[task("b"), task("c")], Fragment[task("d")]])

    assert ended.started == ["a", "b", "c", "d"]


@pytest.mark.feature("parallel.run", "parallel.unbounded", "parallel.barrier", "parallel.empty")
def test_parallel_children_start_together_and_what_follows_waits_for_all() -> None:
    run = start(Sequence[Parallel[task("a"), Parallel[()], task("b")], task("after")])

    assert [c.node for c in run.work] == ["a", "b"]
    run.finish(run.work[0].n, Out())
    assert [c.node for c in run.work] == ["b"]
    run.finish(run.work[0].n, Out())
    assert [c.node for c in run.work] == ["after"]


@pytest.mark.feature("props.par.max")
@pytest.mark.feature(
    "parallel.maxConcurrency", "parallel.maxConcurrency.queue", "parallel.unit", "sequence.in-parallel"
)
def test_a_cap_counts_the_tasks_in_flight_below_it_in_source_order() -> None:
    run = start(Parallel(max_concurrency=2)[Sequence[task("a1"), task("a2")], task("b"), task("c")])

    assert [c.node for c in run.work] == ["a1", "b"]
    run.finish(run.work[0].n, Out())
    assert [c.node for c in run.work] == ["b", "a2"]


@pytest.mark.feature("run.opt.maxconcurrency")
@pytest.mark.parametrize(("options", "begun"), [({"max_in_flight": 3}, 3), ({}, 100)])
def test_the_run_has_a_cap_of_its_own(options: dict[str, Any], begun: int) -> None:
    run = InMemoryRun(Workflow("w", lambda ctx: Parallel[(task(f"t{i}") for i in range(120))], None), {}, options)

    assert len(run.work) == begun


@pytest.mark.feature("parallel.complete")
def test_after_a_failure_running_siblings_finish_nothing_new_starts_then_the_group_fails() -> None:
    run = start(
        Parallel[
            task("bad", retries=0), task("good"), Sequence[task("slow"), task("never")], Approval("ask", title="?")
        ]
    )

    bad, good, slow = run.work
    run.fail(bad.n)
    assert run.status == "running"
    assert [run.nodes[key].state for key in ("good:", "slow:", "ask:")] == ["running", "running", "cancelled"]
    run.finish(good.n, Out(n=1))
    run.finish(slow.n, Out())
    assert run.status == "failed"
    assert run.output(Out, "good").n == 1
    assert run.nodes["never:"].state == "cancelled"


def test_fail_fast_cancels_running_siblings() -> None:
    run = start(Parallel(fail_fast=True)[task("bad", retries=0), task("long")])

    bad, long = run.work
    run.fail(bad.n)
    cancel = next(c for c in run.open.values() if c.kind == "cancel")
    assert (cancel.target, run.nodes["long:"].state, run.status) == (long.n, "cancelling", "running")
    run.cancelled(long.n)
    assert (run.status, run.nodes["long:"].state) == ("failed", "cancelled")


@pytest.mark.feature("task.retries.zero", "props.task.retries")
@pytest.mark.feature("task.retries", "task.compute.throw", "exec.retry.count")
@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (3, 4)])
def test_retries_are_attempts_after_the_first(run: Any, retries: int, attempts: int) -> None:
    ended = run(task("a", retries=retries), results={"a": fails()})

    assert (ended.status, len(ended.started)) == ("failed", attempts)


def test_three_retries_by_default(run: Any) -> None:
    assert len(run(task("a"), results={"a": fails()}).started) == 4


@pytest.mark.feature("task.retryPolicy.default")
@pytest.mark.feature("task.retryPolicy.exponential", "task.retryPolicy.cap")
def test_backoff_doubles_from_one_second_up_to_five_minutes() -> None:
    run = start(task("a", retries=12))
    delays: list[int] = []
    while not run.is_over:
        run.fail(run.work[0].n)
        delays += [c.delay_ms for c in run.work]

    for nth, delay in enumerate(delays):
        least = min(1000 * 2**nth, 300_000)
        assert least <= delay <= least * 1.1


@pytest.mark.feature("props.task.continueonfail")
@pytest.mark.feature("task.continueOnFail")
def test_a_tolerated_failure_lets_the_run_go_on_and_skips_who_needs_its_output(run: Any) -> None:
    ended = run(
        Sequence[
            task("bad", retries=0, continue_on_fail=True),
            Task("needs", output=Out, deps={"bad": Out})[lambda bad: bad],
            task("after", depends_on=["bad"]),
        ],
        results={"bad": fails()},
    )

    assert (ended.status, ended.started) == ("finished", ["bad", "after"])
    assert (ended.state("bad"), ended.state("needs")) == ("failed", "skipped")


@pytest.mark.feature("props.task.skipif")
@pytest.mark.feature("task.skipIf", "sequence.skipIf", "parallel.skipIf", "loop.skipIf")
def test_skipped_nodes_count_as_done(run: Any) -> None:
    ended = run(
        Sequence[
            task("a", skip_if=True),
            Sequence(skip_if=True)[task("b")],
            Parallel(skip_if=True)[task("c")],
            Loop("l", until=False, skip_if=True)[task("d")],
            task("e"),
        ]
    )

    assert (ended.status, ended.started, ended.state("a")) == ("finished", ["e"], "skipped")


@pytest.mark.feature("props.task.deps")
@pytest.mark.feature("task.deps", "task.deps.same-id", "task.deps.via-needs", "task.needs", "task.dependsOn")
def test_dependencies_order_tasks_and_hand_over_typed_outputs(run: Any) -> None:
    def add(left: Out, right: Out) -> Out:
        return Out(n=left.n + right.n)

    ended = run(
        Parallel[
            Task("sum", output=Out, deps={"left": Out, "right": Out}, needs={"right": "other"})[add],
            Task("left", output=Out)[call(work, 2)],
            Task("other", output=Out, depends_on=["left"])[call(work, 3)],
        ]
    )

    assert ended.started == ["left", "other", "sum"]
    assert ended.output(Out, "sum").n == 5


@pytest.mark.feature("props.loop.until", "workflow.auto-columns")
@pytest.mark.feature(
    "loop.until", "loop.ctx-iteration", "loop.per-iteration-rows", "loop.latest", "loop.rerender-drive"
)
def test_a_loop_runs_until_its_condition_holds_and_keeps_every_pass(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def enough() -> bool:
            last = ctx.latest(Out, "grow")
            return last is not None and last.n >= 2

        return Loop("growing", until=enough)[lambda turn: Task("grow", output=Out)[call(work, turn.iteration)]]

    ended = run(make)

    assert ended.started == ["grow:0", "grow:1", "grow:2"]
    assert [ended.output(Out, "grow", str(i)).n for i in range(3)] == [0, 1, 2]


@pytest.mark.feature("loop.until.first-render")
def test_until_is_looked_at_before_the_first_pass(run: Any) -> None:
    assert run(Sequence[Loop("l", until=True)[task("never")], task("a")]).started == ["a"]


@pytest.mark.feature("props.loop.max", "props.loop.onmax.fail", "props.loop.onmax.last")
@pytest.mark.feature("author.loop.cap")
@pytest.mark.feature("loop.maxIterations", "loop.onMaxReached.return-last", "loop.onMaxReached.fail")
@pytest.mark.feature("controlflow.max.return-last", "controlflow.max.fail")
@pytest.mark.parametrize(("on_max", "status"), [("return-last", "finished"), ("fail", "failed")])
def test_a_loop_ends_at_its_cap(run: Any, on_max: Literal["fail", "return-last"], status: str) -> None:
    ended = run(Loop("l", until=False, on_max_reached=on_max)[task("a")])

    assert (ended.status, len(ended.started)) == (status, 5)


@pytest.mark.feature("sched.loop.remount")
@pytest.mark.feature("loop.nested-wrapped", "loop.multiple", "loop.ctx-iterations")
def test_nested_loops_count_by_path(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def twice(turn: Turn) -> bool:
            return ctx.iteration_count("inner") >= 2 * (ctx.iterations["outer"] + 1)

        def outer_twice() -> bool:
            return ctx.iteration_count("inner") >= 4

        inner = Loop("in", until=twice)[task("inner")]
        return Loop("outer", until=outer_twice)[Sequence[task("first"), inner]]

    ended = run(make)

    assert ended.started == ["first:0", "inner:0.0", "inner:0.1", "first:1", "inner:1.0", "inner:1.1"]


@pytest.mark.feature("loop.output-default-iteration", "ctx.output")
def test_a_read_without_iteration_means_this_pass_inside_a_loop_and_the_latest_outside(run: Any) -> None:
    seen: list[int] = []

    def make(ctx: Context[Any]) -> Child:
        def second() -> Child:
            return Task("second", output=Out)[call(work, ctx.output(Out, "first").n * 10)]

        def after() -> Child:
            seen.append(ctx.output(Out, "second").n)
            return task("end")

        body = lambda turn: [Task("first", output=Out)[call(work, turn.iteration + 1)], second]  # noqa: E731
        return Sequence[Loop("l", until=lambda: ctx.iteration_count("second") >= 3)[body], after]

    ended = run(make)

    assert [ended.output(Out, "second", str(i)).n for i in range(3)] == [10, 20, 30]
    assert seen[-1] == 30


@pytest.mark.feature("props.approval.ondeny.fail", "approvals.deny.fail")
@pytest.mark.feature("approval.onDeny.fail", "approval.onDeny.continue")
@pytest.mark.parametrize(
    ("on_deny", "status", "after"), [("fail", "failed", 0), ("continue", "finished", 1), ("skip", "finished", 1)]
)
def test_a_denial_fails_goes_on_or_skips(run: Any, on_deny: Any, status: str, after: int) -> None:
    ended = run(Sequence[Approval("ask", title="?", on_deny=on_deny), task("after")], decisions={"ask": False})

    assert (ended.status, len(ended.started)) == (status, after)
    if on_deny == "continue":
        assert not ended.output(Decision, "ask").approved


def test_branch_follows_its_condition_at_every_render(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def way() -> Child:
            found = ctx.output_maybe(Out, "a")
            return Branch(found is not None and found.n > 1, then=task("yes"), otherwise=task("no"))

        return Sequence[Task("a", output=Out)[call(work, 2)], way]

    assert run(make).started == ["a", "yes"]


@pytest.mark.feature("sched.unmount")
def test_a_part_that_leaves_the_tree_takes_its_running_tasks_with_it() -> None:
    def make(ctx: Context[Any]) -> Child:
        def race() -> Child:
            return None if ctx.output_maybe(Out, "quick") else task("slow")

        return Parallel[task("quick"), race]

    run = InMemoryRun(Workflow("w", make, None))
    quick, slow = run.work
    run.finish(quick.n, Out())
    assert [(c.kind, c.target) for c in run.open.values()][-1] == ("cancel", slow.n)
    run.cancelled(slow.n)
    assert (run.status, run.nodes["slow:"].state) == ("finished", "cancelled")


def test_a_cancelled_run_waits_for_what_is_in_flight_and_keeps_outputs() -> None:
    run = start(Sequence[task("a"), Parallel[task("b"), Approval("ask", title="?"), Timer("t", duration="1h")]])

    run.finish(run.work[0].n, Out(n=7))
    run.cancel("enough")
    assert run.status == "running"
    assert {run.nodes["ask:"].state, run.nodes["t:"].state} == {"cancelled"}
    run.cancelled(run.work[0].n)
    assert (run.status, run.output(Out, "a").n) == ("cancelled", 7)


@pytest.mark.feature("workflow.resumable")
def test_a_resumed_run_goes_on_from_the_failed_task_with_outputs_kept() -> None:
    run = start(Sequence[task("a"), task("b", retries=0), task("c")])

    run.finish(run.work[0].n, Out())
    run.fail(run.work[0].n)
    assert run.status == "failed"
    run.resume()
    assert [(c.node, c.attempt) for c in run.work] == [("b", 2)]
    run.finish(run.work[0].n, Out())
    run.finish(run.work[0].n, Out())
    assert run.status == "finished"


def test_a_lost_command_is_planned_again_as_the_same_attempt() -> None:
    run = start(task("a"))

    first = run.work[0]
    run.lose(first.n)
    again = run.work[0]
    assert (again.n > first.n, again.attempt) == (True, first.attempt)


def test_a_read_that_nothing_will_satisfy_ends_the_run_with_the_reading_line() -> None:
    def make(ctx: Context[Any]) -> Child:
        return Sequence[task("a"), lambda: task(f"b{ctx.output(Out, 'typo').n}")]

    ended = simulate(Workflow("w", make, None))

    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "MISSING_OUTPUT"
    assert "'typo'" in ended.error["message"]
    assert __file__ in ended.error["message"]
