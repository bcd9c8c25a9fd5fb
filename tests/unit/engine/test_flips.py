"""What leaves the tree while it is open: a planner that was there all the time and one built anew make one plan."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Parallel, Sequence, Task, Timer, Workflow
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import at_work, number

pytestmark = pytest.mark.decision("0004")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def start(rebuild: bool, before: Any, after: Any, *beside: Any) -> InMemoryRun:
    """A run of a part that shows `after` instead of `before` once `look` has an output."""

    def tree(ctx: Context[Any]) -> Child:
        return Parallel[task("look"), Sequence[lambda: after if ctx.output_maybe(Out, "look") else before], beside]

    return InMemoryRun(Workflow("flips", tree, None), rebuild=rebuild)


def finish(run: InMemoryRun, node: str) -> None:
    run.finish(number(run, node), Out())


@pytest.mark.feature("sched.unmount")
def test_who_waits_for_a_node_that_left_the_tree_starts_when_it_still_ends(rebuild: bool) -> None:
    run = start(rebuild, task("old"), None, task("after", depends_on=["old"]))
    finish(run, "look")
    assert run.nodes["old:"].state == "cancelling"

    finish(run, "old")

    assert [c.node for c in run.work] == ["after"]


def test_a_run_of_which_only_a_withdrawn_timer_is_left_is_stuck_and_says_so(rebuild: bool) -> None:
    gone = [Timer("t", duration="1h"), task("gone")]
    run = start(rebuild, gone, None, task("after", depends_on=["gone"]))

    finish(run, "look")

    assert (run.status, run.error and run.error["code"]) == ("failed", "DEPENDENCY_DEADLOCK")


@pytest.mark.feature("task.deps.unsatisfied", "err.DEP_NOT_SATISFIED")
def test_a_task_whose_dependency_left_the_tree_says_which(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def flip() -> Child:
            return None if ctx.output_maybe(Out, "a") else task("source")

        return Parallel[
            task("a"),
            Sequence[task("first", depends_on=["a"]), flip],
            Task("b", output=Out, deps={"in_": Out}, needs={"in_": "source"})[lambda in_: in_],
        ]

    run = InMemoryRun(Workflow("flips", make, None), rebuild=rebuild)
    finish(run, "a")
    finish(run, "first")

    error = run.error or {}
    assert (run.status, error["code"]) == ("failed", "DEP_NOT_SATISFIED")
    assert (error["taskId"], error["depKey"], error["resolvedNodeId"]) == ("b", "in_", "source")


@pytest.mark.feature("sched.state.waittimer")
def test_a_timer_that_fires_before_its_place_is_reached_again_is_shown_as_finished(rebuild: bool) -> None:
    timer = Timer("t", duration="1h")
    run = start(rebuild, timer, [task("extra"), timer])
    finish(run, "look")

    assert run.nodes["t:"].state == "waiting-timer"

    run.fire(number(run, "t"))

    assert run.nodes["t:"].state == "finished"
    finish(run, "extra")
    assert run.status == "finished"


def test_a_cancelled_run_renders_what_came_with_the_cancel(rebuild: bool) -> None:
    run = start(rebuild, Sequence[Timer("t", duration="1h"), task("gone")], task("new"))
    run.paused = True
    run.cancel()
    run.finish(number(run, "look"), Out())
    run.paused = False
    run.plan()

    assert run.status == "cancelled"
    assert {key: row.state for key, row in run.nodes.items()} == {
        "look:": "finished",
        "t:": "unmounted",
        "gone:": "unmounted",
    }


@pytest.mark.feature("sched.unmount")
def test_a_timer_that_was_withdrawn_is_set_anew_when_it_is_wanted_again(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def waiting() -> Child:
            seen = ctx.output_maybe(Out, "one"), ctx.output_maybe(Out, "two")
            return None if seen[0] and not seen[1] else Timer("t", duration="1h")

        return Sequence[Parallel[task("one"), task("two"), waiting]]

    run = InMemoryRun(Workflow("flips", tree, None), rebuild=rebuild)
    first = number(run, "t")
    finish(run, "one")
    assert run.nodes["t:"].state == "unmounted"
    finish(run, "two")

    assert number(run, "t") > first
    run.fire(number(run, "t"))
    assert run.status == "finished"


@pytest.mark.feature("resume.steps.go")
def test_a_resumed_run_sets_the_timers_anew_that_its_failure_has_withdrawn(rebuild: bool) -> None:
    tree = Parallel[task("bad", retries=0), Timer("t", duration="1h")]
    run = InMemoryRun(Workflow("flips", lambda ctx: tree, None), rebuild=rebuild)
    run.fail(number(run, "bad"))
    assert run.status == "failed"

    run.resume()
    finish(run, "bad")
    run.fire(number(run, "t"))

    assert run.status == "finished"


def both_read(ctx: Context[Any]) -> Child:
    """A part and the part that it shows both read a task that will never have an output."""

    def inner() -> Child:
        return ctx.output_maybe(Out, "never") or task("inside")

    def outer() -> Child:
        return ctx.output_maybe(Out, "never") or [inner, task("beside")]

    return Sequence[Parallel[Sequence[task("first"), task("never", skip_if=True)], outer], task("after")]


@pytest.mark.feature("parallel.barrier")
def test_a_part_that_has_left_with_the_part_around_it_is_not_counted_any_more(rebuild: bool) -> None:
    run = InMemoryRun(Workflow("flips", both_read, None), rebuild=rebuild)

    finish(run, "first")
    finish(run, "inside")
    assert at_work(run) == ["beside"]

    finish(run, "beside")
    assert at_work(run) == ["after"]
