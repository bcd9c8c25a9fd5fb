"""Queues that runs share, from the side of one run: when it asks for a turn, and what it does with it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Aspects,
    Loop,
    MergeQueue,
    Parallel,
    Queue,
    Race,
    RetryPolicy,
    Sequence,
    Subflow,
    Task,
    Timer,
    TokenBudget,
    TryCatchFinally,
    WaitForEvent,
    Workflow,
)
from smithers.engine.check import preflight
from smithers.errors import InvalidElement, RenderError, WrongState
from smithers.testing.memory_run import InMemoryRun

pytestmark = pytest.mark.decision("0024")


class Out(BaseModel):
    n: int = 1


def task(id: str, queue: Any = None, **more: Any) -> Task[Out]:
    return Task(id, output=Out, queue=queue, **more)[Out()]


@pytest.fixture(params=[False, True], ids=["warm", "cold"])
def rebuild(request: pytest.FixtureRequest) -> bool:
    return request.param


def start(make: Any, rebuild: bool = False, taken: int = 0, **options: Any) -> InMemoryRun:
    """A run, where other runs hold so many slots of the queue `q`."""
    function = make if callable(make) else lambda ctx: make
    return InMemoryRun(Workflow("w", function, None), {}, options, rebuild, taken={"q": taken})


def states(run: InMemoryRun) -> dict[str, str]:
    return {row.node: row.state for row in run.nodes.values()}


def begun(run: InMemoryRun) -> list[str]:
    return [command.node for command in run.open.values() if command.kind in ("run", "child")]


def finish(run: InMemoryRun, node: str, **more: Any) -> None:
    run.finish(next(n for n, command in run.open.items() if command.node == node and command.kind == "run"), Out())


def test_a_task_begins_when_its_turn_comes(rebuild: bool) -> None:
    run = start(Sequence[task("a", "q"), task("b")], rebuild, taken=1)
    assert (states(run), begun(run), run.status) == ({"a": "waiting-queue", "b": "pending"}, [], "waiting-queue")
    assert run.nodes["a:"].detail == {"output": "Out", "queue": "q"}

    run.free("q")

    assert (states(run)["a"], begun(run), run.status) == ("running", ["a"], "running")
    finish(run, "a")
    finish(run, "b")
    assert run.status == "finished"


@pytest.mark.parametrize(
    ("beside", "status"),
    [
        (Task("x", output=Out)[Out()], "running"),
        (Approval("x"), "waiting-approval"),
        (WaitForEvent("x", event="e", output=Out), "waiting-event"),
        (Timer("x", duration="1h"), "waiting-queue"),
    ],
    ids=["task", "approval", "event", "timer"],
)
def test_a_run_waits_for_people_first_and_then_for_its_turn(beside: Any, status: str, rebuild: bool) -> None:
    run = start(Parallel[task("a", "q"), beside], rebuild, taken=1)
    assert (states(run)["a"], run.status) == ("waiting-queue", status)

    run.free("q")

    assert run.status == "running"


def test_a_run_that_is_over_for_its_author_waits_no_more(rebuild: bool) -> None:
    run = start(Race[task("a", "q"), task("b")], rebuild, taken=1)
    finish(run, "b")
    assert (run.status, states(run)["a"]) == ("finished", "cancelled")


def test_at_most_the_limit_of_them_run_and_they_go_in_their_order(rebuild: bool) -> None:
    run = start(Parallel[(task(id, Queue("q", 2)) for id in "abcd")], rebuild)
    assert begun(run) == ["a", "b"]
    assert set(states(run).values()) == {"running", "waiting-queue"}

    finish(run, "b")

    assert begun(run) == ["a", "c"]


def test_without_a_limit_it_is_that_of_the_options_or_one(rebuild: bool) -> None:
    tree = Parallel[(task(id, "q") for id in "abc")]
    assert begun(start(tree, rebuild)) == ["a"]
    assert begun(start(tree, rebuild, queues={"q": 2})) == ["a", "b"]


@pytest.mark.feature("mergequeue.default-one", "mergequeue.order")
def test_a_shared_merge_queue_has_as_many_in_the_queue_as_its_limit(rebuild: bool) -> None:
    run = start(MergeQueue(shared="q")[Sequence[task("a1"), task("a2")], task("b")], rebuild, taken=1)
    assert states(run) == {"a1": "waiting-queue", "a2": "pending", "b": "pending"}

    run.free("q")
    assert begun(run) == ["a1"]
    run.taken["q"] = 1
    finish(run, "a1")
    assert states(run) == {"a1": "finished", "a2": "waiting-queue", "b": "pending"}


def test_who_waits_holds_its_place_under_the_caps_around_it(rebuild: bool) -> None:
    run = start(Parallel(max_concurrency=1)[task("a", "q"), task("b")], rebuild, taken=1)
    assert states(run) == {"a": "waiting-queue", "b": "pending"}
    run.free("q")
    assert states(run) == {"a": "running", "b": "pending"}


def test_every_attempt_takes_a_turn(rebuild: bool) -> None:
    run = start(task("a", "q", retry=RetryPolicy("fixed", "10ms")), rebuild)
    run.taken["q"] = 1
    run.fail(next(n for n, c in run.open.items() if c.kind == "run"))
    assert (states(run)["a"], begun(run)) == ("waiting-queue", [])

    run.free("q")

    [again] = [c for c in run.open.values() if c.kind == "run"]
    assert (again.attempt, again.delay_ms) == (2, 10)


def test_a_task_that_got_lost_asks_anew(rebuild: bool) -> None:
    run = start(task("a", "q"), rebuild)
    run.taken["q"] = 1
    run.lose(next(iter(run.open)))
    assert states(run)["a"] == "waiting-queue"
    run.free("q")
    assert [(c.kind, c.attempt) for c in run.open.values()] == [("run", 1)]


def test_a_run_is_cancelled_while_it_waits(rebuild: bool) -> None:
    run = start(Sequence[task("a", "q"), task("b")], rebuild, taken=1)
    run.cancel()
    assert (run.status, states(run)["a"]) == ("cancelled", "cancelled")
    assert [c.kind for c in run.open.values()] == ["complete"]
    assert run.plans[-1].frame["left"] == ["a:"]


def test_a_failure_beside_it_ends_the_waiting(rebuild: bool) -> None:
    run = start(Parallel[task("bad", retries=0), task("a", "q")], rebuild, taken=1)
    run.fail(next(n for n, c in run.open.items() if c.node == "bad"))
    assert (run.status, states(run)) == ("failed", {"bad": "failed", "a": "cancelled"})


def test_the_winner_of_a_race_ends_the_waiting(rebuild: bool) -> None:
    run = start(Sequence[Race[task("quick"), task("a", "q")], task("after")], rebuild, taken=1)
    finish(run, "quick")
    assert states(run) == {"quick": "finished", "a": "cancelled", "after": "running"}


def test_a_limit_of_time_counts_while_it_waits(rebuild: bool) -> None:
    tree = Sequence[Sequence(id="s", timeout="1s", on_timeout="skip")[task("a", "q")], task("after")]
    run = start(tree, rebuild, taken=1)
    run.fire(next(n for n, c in run.open.items() if c.kind == "timer"))
    assert (states(run)["a"], begun(run)) == ("cancelled", ["after"])


def test_a_task_that_leaves_the_tree_leaves_the_queue(rebuild: bool) -> None:
    def tree(ctx: Any) -> Any:
        return Parallel[task("switch"), *([] if ctx.output_maybe(Out, "switch") else [task("a", "q")])]

    run = start(tree, rebuild, taken=1)
    finish(run, "switch")
    assert (run.status, states(run)["a"]) == ("finished", "unmounted")
    assert run.plans[-1].frame["left"] == ["a:"]


def test_a_pause_takes_back_a_turn_that_was_not_taken(rebuild: bool) -> None:
    run = start(task("a", "q"), rebuild, taken=1)
    run.paused = True  # nobody plans
    run.free("q")
    assert run.log[-1].kind == "admitted"
    run.paused = False
    run.taken["q"] = 1
    run.pause()
    assert begun(run) == []
    run.unpause()
    assert (begun(run), states(run)["a"]) == ([], "waiting-queue")
    run.free("q")
    assert begun(run) == ["a"]


def test_a_turn_is_asked_for_anew_by_who_comes_after_what_is_run_again(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b", "q")], rebuild, taken=1)
    finish(run, "a")
    assert states(run)["b"] == "waiting-queue"
    run.paused = True  # nobody plans
    run.free("q")
    run.paused = False

    run.taken["q"] = 1
    run.retry("a")
    finish(run, "a")

    assert (begun(run), states(run)["b"]) == ([], "waiting-queue")
    run.free("q")
    assert begun(run) == ["b"]


def test_people_are_asked_before_the_turn_is(rebuild: bool) -> None:
    run = start(task("a", "q", needs_approval=True), rebuild, taken=1)
    assert states(run)["a"] == "waiting-approval"
    run.decide("a")
    assert states(run)["a"] == "waiting-queue"
    run.free("q")
    assert begun(run) == ["a"]


def test_what_waits_is_reserved_in_the_budgets_around_it(rebuild: bool) -> None:
    from smithers import Estimate

    some = {"estimate": Estimate(tokens=6)}
    tree = Aspects(id="x", token_budget=TokenBudget(max=10))[Parallel[task("a", "q", **some), task("b", **some)]]
    run = start(tree, rebuild, taken=1)
    assert states(run) == {"a": "waiting-queue", "b": "pending"}
    run.free("q")
    assert states(run) == {"a": "running", "b": "pending"}


def test_a_cleanup_takes_its_turn_in_a_run_that_is_cancelled(rebuild: bool) -> None:
    run = start(TryCatchFinally(id="t", finally_=task("sweep", "q"))[task("a", "q")], rebuild)
    run.taken["q"] = 1
    run.cancel()
    run.cancelled(next(n for n, c in run.open.items() if c.kind == "run"))
    assert (run.status, states(run)["sweep"]) == ("waiting-queue", "waiting-queue")
    run.free("q")
    finish(run, "sweep")
    assert run.status == "cancelled"


def test_each_pass_of_a_loop_takes_its_turn(rebuild: bool) -> None:
    run = start(Loop("l", until=False, max_iterations=2)[task("a", "q")], rebuild)
    finish(run, "a")
    finish(run, "a")
    assert run.status == "finished"
    assert [entry.data["iteration"] for entry in run.log if entry.kind == "admitted"] == ["0", "1"]


def test_a_node_that_is_run_again_takes_a_turn_with_what_came_after_it(rebuild: bool) -> None:
    run = start(Sequence[task("a"), Parallel[task("b", "q"), Approval("ok")]], rebuild, taken=1)
    finish(run, "a")
    run.retry("a")
    assert (states(run)["b"], begun(run)) == ("pending", ["a"])
    finish(run, "a")
    assert states(run)["b"] == "waiting-queue"
    run.free("q")
    assert begun(run) == ["b"]


def test_one_that_waits_is_not_over(rebuild: bool) -> None:
    run = start(Parallel[task("a", "q"), Timer("t", duration="1h")], rebuild, taken=1)
    assert run.status == "waiting-queue"
    with pytest.raises(WrongState, match="waiting-queue"):
        run.retry("a")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Queue(""), "give it a name"),
        (lambda: Queue("  "), "give it a name"),
        (lambda: Queue("q", 0), "give 1 or more"),
        (lambda: Queue("q", True), "give 1 or more"),
        (lambda: task("a", ""), "give it a name"),
        (lambda: task("a", 3), "queue=3: give a name"),
        (lambda: MergeQueue(shared=""), "give it a name"),
        (lambda: MergeQueue(shared="q", max_concurrency=0), "give 1 or more"),
        (lambda: Subflow("s", workflow=Workflow("w", lambda ctx: task("a"), None), output=Out, queue="q"), "the child"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(make: Any, says: str) -> None:
    with pytest.raises(InvalidElement, match=says) as refused:
        make()
    assert "test_queues.py" in str(refused.value)


def test_two_limits_for_one_queue_are_refused() -> None:
    tree = Sequence[task("a", Queue("q", 2)), MergeQueue(shared="q", max_concurrency=3)[task("b")]]
    with pytest.raises(
        RenderError, match=r"two limits: 3 for Task\('b'\) .*test_queues.py.*, and 2 at .*test_queues.py"
    ):
        preflight(Workflow("w", lambda ctx: tree, None), {})
    with pytest.raises(RenderError, match=r"two limits: 2 .* and 5 in \[queues\]"):
        start(task("a", Queue("q", 2)), queues={"q": 5})
