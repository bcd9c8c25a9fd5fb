"""Several facts in one plan, and parts that render something else by them: a warm planner says what a cold one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smithers import (
    Child,
    Context,
    HumanTask,
    Loop,
    Parallel,
    Queue,
    Race,
    Sequence,
    Task,
    Timer,
    TryCatchFinally,
    WaitForEvent,
    Workflow,
)
from smithers.testing import InMemoryRun
from tests.unit.engine.asking import Out, work
from tests.unit.engine.by_hand import at_work, number, start

pytestmark = pytest.mark.decision("0004")


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, retries=0, **props)[work]


def ask(id: str, **props: Any) -> HumanTask[Out]:
    return HumanTask(id, output=Out, prompt="?", **props)


def has(ctx: Context[Any], id: str) -> bool:
    return ctx.output_maybe(Out, id) is not None


def together(run: InMemoryRun, *facts: Callable[[], object]) -> None:
    """Stores them all, and plans then."""
    run.paused = True
    for fact in facts:
        fact()
    run.paused = False
    run.plan()


def denies(run: InMemoryRun, node: str) -> Callable[[], object]:
    return lambda: run.decide(node, approved=False)


def answers(run: InMemoryRun, node: str) -> Callable[[], object]:
    return lambda: run.answer(node, Out())


def finishes(run: InMemoryRun, node: str) -> Callable[[], object]:
    return lambda: run.finish(number(run, node), Out())


def shows_another_once_answered(ctx: Context[Any]) -> Child:
    asked = ask("second", async_=True), task("beside")
    return Parallel[ask("first"), lambda: task("after") if has(ctx, "first") else asked]


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_a_denial_of_what_an_answer_takes_out_of_the_tree_fails_nothing(rebuild: bool, order: tuple[str, str]) -> None:
    run = start(shows_another_once_answered, rebuild)
    facts = {"first": answers(run, "first"), "second": denies(run, "second")}
    together(run, *(facts[one] for one in order))

    assert run.status == "running"
    run.cancelled(number(run, "beside"))
    run.finish(number(run, "after"), Out())
    assert (run.status, run.nodes["second:"].state) == ("finished", "unmounted")


def test_a_denial_fails_the_group_that_still_asks(rebuild: bool) -> None:
    run = start(shows_another_once_answered, rebuild)
    together(run, denies(run, "second"), finishes(run, "beside"))

    assert run.status == "failed"


@pytest.mark.parametrize("source", [task("source"), ask("source")], ids=["task", "human task"])
def test_who_waits_for_a_node_goes_on_by_its_output_though_its_turn_comes_later(rebuild: bool, source: Child) -> None:
    """In the plan that hears of the output, the node moves behind another one."""

    def tree(ctx: Context[Any]) -> Child:
        moving = Sequence[lambda: [task("before"), source] if has(ctx, "news") else source]
        return Parallel[task("news"), moving, task("after", depends_on=["source"])]

    run = start(tree, rebuild)
    end = answers if isinstance(source, HumanTask) else finishes
    together(run, end(run, "source"), finishes(run, "news"))

    assert at_work(run) == ["before", "after"]


def leaves_and_returns(source: Child) -> Callable[[Context[Any]], Child]:
    def tree(ctx: Context[Any]) -> Child:
        def moving() -> Child:
            if has(ctx, "return"):
                return [task("before"), source]
            return task("instead") if has(ctx, "leave") else source

        return Parallel[task("leave"), task("return"), Sequence[moving], task("after", depends_on=["source"])]

    return tree


def test_an_answer_is_heard_when_its_question_comes_back_behind_something_else(rebuild: bool) -> None:
    run = start(leaves_and_returns(ask("source")), rebuild)
    together(run, answers(run, "source"), finishes(run, "leave"))
    assert at_work(run) == ["return", "instead"]
    run.finish(number(run, "return"), Out())

    assert at_work(run) == ["instead", "before", "after"]


def test_who_waits_for_what_was_stopped_goes_on_though_it_comes_back_behind_something_else(rebuild: bool) -> None:
    run = start(leaves_and_returns(task("source")), rebuild)
    run.finish(number(run, "leave"), Out())
    run.finish(number(run, "return"), Out())
    assert at_work(run) == ["source", "instead", "before"]
    run.cancelled(number(run, "source"))

    assert at_work(run) == ["instead", "before", "after"]


def late(shown: Callable[[Context[Any]], Child]) -> Callable[[Context[Any]], Child]:
    """A part that is over, and then shows what has no node."""

    def tree(ctx: Context[Any]) -> Child:
        return Parallel[task("news"), lambda: shown(ctx) if has(ctx, "news") else nothing()]

    return tree


def reads(ctx: Context[Any]) -> Child:
    return task(f"after-{ctx.output(Out, 'never').n}")


def nothing() -> Child:
    return []


def cleans_up(ctx: Context[Any]) -> Child:
    return TryCatchFinally(id="block", finally_=task("cleanup"))[nothing]


def reaches_its_cap(ctx: Context[Any]) -> Child:
    return Loop("loop", until=False, max_iterations=1, on_max_reached="fail")[nothing]


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (reads, "MISSING_OUTPUT"),
        (lambda ctx: lambda: reads(ctx), "MISSING_OUTPUT"),
        (reaches_its_cap, "LOOP_MAX_REACHED"),
    ],
    ids=["reads", "shows what reads", "loop"],
)
def test_a_part_that_was_over_and_shows_no_node_is_not_over(rebuild: bool, shown: Any, code: str) -> None:
    run = start(late(shown), rebuild)
    run.finish(number(run, "news"), Out())

    assert (run.status, run.error and run.error["code"]) == ("failed", code)


def test_a_block_without_nodes_that_a_part_shows_late_cleans_up(rebuild: bool) -> None:
    run = start(late(cleans_up), rebuild)
    run.finish(number(run, "news"), Out())
    assert at_work(run) == ["cleanup"]
    run.finish(number(run, "cleanup"), Out())

    assert run.status == "finished"


def test_a_race_does_not_wait_for_a_place_in_a_queue_that_it_has_left(rebuild: bool) -> None:
    """In the plan that leaves it, the tree is mounted anew: a part that others have gone past reads of it."""

    def tree(ctx: Context[Any]) -> Child:
        race = Race(id="race")[ask("who"), task("slow", queue=Queue("narrow", 1))]
        return Parallel[Sequence[race, task("after")], lambda: ask("aside", async_=True, skip_if=has(ctx, "slow"))]

    run = InMemoryRun(Workflow("left", tree, None), rebuild=rebuild, taken={"narrow": 1})
    run.answer("who", Out())
    assert at_work(run) == ["after"]
    run.finish(number(run, "after"), Out())
    run.answer("aside", Out())

    assert run.status == "finished"


def test_who_counts_passes_looks_again_after_each(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        passes = Loop("passes", until=False, max_iterations=3)[task("pass")]
        return Parallel[passes, lambda: task("third") if ctx.iteration_count("pass") == 2 else None]

    run = start(tree, rebuild)
    run.finish(number(run, "pass"), Out())
    assert at_work(run) == ["pass"]
    run.finish(number(run, "pass"), Out())

    assert sorted(at_work(run)) == ["pass", "third"]


@pytest.mark.feature("parallel.maxConcurrency.queue")
def test_all_slots_that_come_free_at_once_are_taken(rebuild: bool) -> None:
    run = start(Parallel(max_concurrency=3)[(task(f"t{at}") for at in range(6))], rebuild)
    assert at_work(run) == ["t0", "t1", "t2"]
    together(run, *(finishes(run, node) for node in ("t0", "t1")))

    assert sorted(at_work(run)) == ["t2", "t3", "t4"]


def waits(id: str, **props: Any) -> WaitForEvent[Out]:
    return WaitForEvent(id, event="go", output=Out, **props)


def test_what_failed_in_a_loop_is_no_more_there_for_those_who_depend_on_it_than_outside_of_loops(rebuild: bool) -> None:
    """A block takes the loop out of the tree in the plan in which it fails."""
    polls = Loop("polls", until=False, max_iterations=3)[Sequence[task("step"), task("breaks")]]
    block = TryCatchFinally(id="block", catch=task("mends"))[polls]
    run = start(Parallel[block, waits("outside", depends_on=["step"])], rebuild)
    run.finish(number(run, "step"), Out())
    run.fail(number(run, "breaks"), "it broke", retryable=False)

    assert (at_work(run), run.nodes["outside:"].state) == (["mends"], "pending")
    run.finish(number(run, "mends"), Out())
    assert (run.status, run.error and run.error["code"]) == ("failed", "DEPENDENCY_DEADLOCK")


@pytest.mark.parametrize(
    "held",
    [waits("held", depends_on=["step"], timeout="1h"), ask("held", depends_on=["step"])],
    ids=["event", "person"],
)
def test_who_waits_for_somebody_goes_on_waiting_though_what_it_depends_on_begins_again(
    rebuild: bool, held: Child
) -> None:
    """A loop that was left out is gone through after all: nobody takes back a question that stands."""

    def tree(ctx: Context[Any]) -> Child:
        left_out = has(ctx, "enough") and not has(ctx, "more")
        polls = Loop("polls", until=False, max_iterations=2, skip_if=left_out)[task("step")]
        return Parallel[polls, task("enough"), task("more"), held]

    run = start(tree, rebuild)
    run.finish(number(run, "step"), Out())
    run.finish(number(run, "enough"), Out())
    asked = run.nodes["held:"].state
    run.finish(number(run, "more"), Out())

    assert asked.startswith("waiting-")
    assert (run.nodes["held:"].state, "step" in at_work(run)) == (asked, True)


@pytest.mark.feature("sched.ready.approval")
def test_what_leaves_the_tree_by_what_it_waits_for_does_not_begin(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        late = Timer("late", duration="1h", depends_on=["source"])
        return Parallel[task("source"), lambda: None if has(ctx, "source") else late, ask("open")]

    run = start(tree, rebuild)
    run.finish(number(run, "source"), Out())

    assert (at_work(run), run.nodes["late:"].state) == ([], "unmounted")
