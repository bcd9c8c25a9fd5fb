"""A node that is over runs again when a person wants it, with what began after it, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Context,
    Loop,
    Parallel,
    Race,
    Saga,
    SagaStep,
    Sequence,
    Subflow,
    Task,
    Timer,
    TryCatchFinally,
    WaitForEvent,
    call,
    workflow,
)
from smithers.errors import NodeNotFound, WrongState
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import at_work, fail, number, start

pytestmark = pytest.mark.decision("0016")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work)]


@workflow
def child(ctx: Context[Any]) -> Task[Out]:
    return task("inside")


def finish(run: InMemoryRun, *nodes: str, n: int = 0) -> None:
    for node in nodes:
        run.finish(number(run, node), Out(n=n))


def attempts(run: InMemoryRun) -> list[tuple[str, str, int]]:
    return [(command.node, command.iteration, command.attempt) for command in run.work]


@pytest.fixture
def chain(rebuild: bool) -> InMemoryRun:
    run = start(Sequence[task("a"), task("b"), task("c"), Approval("ask", title="?")], rebuild)
    finish(run, "a", "b", "c")
    return run


@pytest.mark.feature("cli.retrytask.deps", "cli.retrytask.clear")
def test_what_began_after_it_runs_again_and_what_came_before_does_not(chain: InMemoryRun) -> None:
    reset = chain.retry("b")
    assert reset.dependents == ("ask:", "c:")
    assert (attempts(chain), chain.output(Out, "a")) == ([("b", "", 2)], Out())
    with pytest.raises(KeyError):
        chain.output(Out, "c")
    assert (chain.nodes["c:"].state, chain.nodes["ask:"].state, chain.waiting) == ("pending", "pending", [])
    finish(chain, "b", n=2)
    assert (attempts(chain), chain.output(Out, "b").n) == ([("c", "", 2)], 2)
    finish(chain, "c")
    assert [row.node for row in chain.waiting] == ["ask"]
    chain.decide("ask", approved=True)
    assert chain.status == "finished"


@pytest.mark.feature("cli.retrytask.no-deps")
def test_without_its_dependents_it_runs_alone(chain: InMemoryRun) -> None:
    assert chain.retry("b", dependents=False).dependents == ()
    assert (attempts(chain), chain.output(Out, "c")) == ([("b", "", 2)], Out())
    finish(chain, "b")
    assert (at_work(chain), [row.node for row in chain.waiting]) == ([], ["ask"])


def test_an_answer_given_before_is_none_to_the_question_asked_again(chain: InMemoryRun) -> None:
    chain.paused = True
    chain.retry("c")
    with pytest.raises(WrongState, match="does not wait"):
        chain.decide("ask", approved=True)
    chain.paused = False
    chain.plan()
    finish(chain, "c")
    assert (chain.waiting[0].detail or {})["ask"] == 2
    chain.decide("ask", approved=True)
    assert chain.status == "finished"


@pytest.mark.feature("cli.retrytask.others")
def test_what_ran_beside_it_is_kept(rebuild: bool) -> None:
    run = start(Parallel[Sequence[task("a"), task("b")], task("x"), Approval("ask", title="?")], rebuild)
    finish(run, "a", "x", "b")
    assert run.retry("a").dependents == ("b:",)
    assert (attempts(run), [row.node for row in run.waiting]) == ([("a", "", 2)], ["ask"])


@pytest.mark.feature("cli.retrytask.clear")
def test_readers_wait_for_the_new_output(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Any:
        def told() -> Any:
            return task(f"after_{ctx.output(Out, 'a').n}")

        return Sequence[task("a"), told, Approval("ask", title="?")]

    run = start(tree, rebuild)
    finish(run, "a", n=1)
    finish(run, "after_1")
    run.retry("a")
    assert at_work(run) == ["a"]
    finish(run, "a", n=2)
    assert at_work(run) == ["after_2"]
    assert run.nodes["after_1:"].state == "unmounted"


@pytest.mark.feature("cli.retrytask.iteration")
def test_a_loop_goes_back_to_the_pass(rebuild: bool) -> None:
    run = start(Sequence[Loop("l", until=False, max_iterations=3)[task("a")], Approval("ask", title="?")], rebuild)
    finish(run, "a", "a", "a")
    assert [row.node for row in run.waiting] == ["ask"]
    with pytest.raises(WrongState, match="pass 1 of loop 'l' is over"):
        run.retry("a", iteration="1", dependents=False)
    assert run.retry("a", iteration="1").dependents == ("a:2", "ask:")
    assert attempts(run) == [("a", "1", 2)]
    finish(run, "a")
    assert attempts(run) == [("a", "2", 2)]
    finish(run, "a")
    assert [row.node for row in run.waiting] == ["ask"]


@pytest.mark.feature("cli.retrytask.deps", "exec.attempt.row")
def test_an_attempt_that_got_lost_in_a_pause_is_counted(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    finish(run, "a")
    run.pause()
    run.lose(number(run, "b"))
    assert run.retry("a").dependents == ("b:",)
    run.unpause()
    finish(run, "a")
    assert attempts(run) == [("b", "", 2)]


@pytest.mark.feature("cli.retrytask.deps")
def test_timers_and_waits_after_it_begin_anew(rebuild: bool) -> None:
    after = Parallel[Timer("t", duration="1h"), WaitForEvent("e", event="go", output=Out, timeout="1h")]
    run = start(Sequence[task("a"), after], rebuild)
    finish(run, "a")
    old = {command.n for command in run.work}
    run.retry("a")
    assert (at_work(run), run.waiting_events) == (["a"], [])
    finish(run, "a")
    assert sorted(at_work(run)) == ["e", "t"]
    assert not old & {command.n for command in run.work}
    run.signal("go", Out(n=1))
    run.fire(number(run, "t"))
    assert run.status == "finished"


@pytest.mark.feature("cli.retrytask.deps")
def test_a_failed_run_goes_on_from_a_task_that_had_finished(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    finish(run, "a")
    fail(run, "b")
    assert run.status == "failed"
    assert run.retry("a").dependents == ("b:",)
    assert (run.status, attempts(run)) == ("running", [("a", "", 2)])
    finish(run, "a", "b")
    assert run.status == "finished"


@pytest.mark.feature("cli.retrytask.budget")
def test_a_failed_task_has_all_its_attempts_again(rebuild: bool) -> None:
    run = start(task("a", retries=1), rebuild)
    for _ in range(2):
        run.fail(number(run, "a"))
    assert run.status == "failed"
    run.retry("a")
    run.fail(number(run, "a"))
    assert attempts(run) == [("a", "", 4)]


@pytest.mark.feature("cli.retrytask.do", "cli.retrytask.budget")
def test_a_failed_task_of_a_run_that_is_still_open_has_all_its_attempts_again(rebuild: bool) -> None:
    run = start(Parallel[task("a", retries=1), task("b")], rebuild)
    for _ in range(2):
        run.fail(number(run, "a"))
    assert (run.status, at_work(run)) == ("running", ["b"])
    assert run.retry("a").data.get("reset") is None
    assert attempts(run) == [("b", "", 1), ("a", "", 3)]
    run.fail(number(run, "a"))
    assert attempts(run) == [("b", "", 1), ("a", "", 4)]


@pytest.mark.feature("cli.retrytask.deps")
def test_a_tolerated_failure_is_tried_again_with_what_went_on_after_it(rebuild: bool) -> None:
    run = start(Sequence[task("a", continue_on_fail=True), task("b"), Approval("ask", title="?")], rebuild)
    fail(run, "a")
    finish(run, "b")
    assert run.retry("a").dependents == ("ask:", "b:")
    assert attempts(run) == [("a", "", 2)]
    finish(run, "a")
    assert attempts(run) == [("b", "", 2)]


def test_what_a_block_has_dealt_with_is_refused(rebuild: bool) -> None:
    caught = TryCatchFinally(catch=task("c"))[task("a")]
    run = start(Sequence[caught, Approval("ask", title="?")], rebuild)
    fail(run, "a")
    with pytest.raises(WrongState, match="block a:trycatchfinally has dealt with its end already"):
        run.retry("a")
    finish(run, "c")
    with pytest.raises(WrongState, match="has dealt with its end already"):
        run.retry("a")
    with pytest.raises(WrongState, match="has gone on since"):
        run.retry("c")


@pytest.mark.parametrize("later_fails", [False, True])
def test_whatever_ran_below_a_block_that_has_caught_is_refused_with_what_to_do(
    rebuild: bool, later_fails: bool
) -> None:
    below = Parallel[task("ok"), task("bad"), task("also_bad"), Sequence[task("slow"), task("never")]]
    inner = TryCatchFinally(id="inner", finally_=task("clean"))[below]
    block = TryCatchFinally(id="outer", catch=task("handle"))[task("before"), inner]
    run = start(Sequence[block, task("after"), Approval("ask", title="?")], rebuild)
    finish(run, "before", "ok")
    fail(run, "bad")
    fail(run, "also_bad")
    finish(run, "slow", "clean", "handle")
    if later_fails:
        fail(run, "after")
        assert run.status == "failed"
    else:
        finish(run, "after")

    for node in ("before", "ok", "bad", "also_bad", "slow", "never", "clean", "handle"):
        with pytest.raises(
            WrongState, match=r"(outer|inner) has .*Retry what comes after the block, or start"
        ) as refused:
            run.retry(node)
        assert refused.value.data["state"] in ("finished", "failed", "cancelled", "skipped", "unmounted", "pending")
    run.retry("after")
    assert at_work(run) == ["after"]


@pytest.mark.parametrize("later_fails", [False, True])
def test_a_child_run_whose_failure_a_block_has_caught_is_not_started_again(rebuild: bool, later_fails: bool) -> None:
    block = TryCatchFinally(catch=task("handle"))[Subflow("part", workflow=child, output=Out)]
    run = start(Sequence[block, task("after"), Approval("ask", title="?")], rebuild)
    error = {"code": "WORKFLOW_EXECUTION_FAILED", "message": "x", "retryable": False, "data": {"run_id": "r"}}
    run.end(number(run, "part"), "failed", error=error)
    finish(run, "handle")
    if later_fails:
        fail(run, "after")

    with pytest.raises(WrongState, match="has dealt with its end already"):
        run.retry("part")
    if later_fails:
        run.resume()
        assert at_work(run) == ["after"], "nor by a resume of the whole run"


def test_what_a_saga_has_undone_is_refused(rebuild: bool) -> None:
    saga = Saga[SagaStep("one", compensation=task("undo_a"))[task("a")], SagaStep("two")[task("b")]]
    run = start(Sequence[saga, Approval("ask", title="?")], rebuild)
    finish(run, "a")
    fail(run, "b")
    for node in ("a", "b"):
        with pytest.raises(WrongState, match="cannot be retried: block"):
            run.retry(node)


def test_who_has_lost_a_race_is_refused(rebuild: bool) -> None:
    run = start(Sequence[Race[task("a"), task("b")], Approval("ask", title="?")], rebuild)
    finish(run, "a")
    run.cancelled(number(run, "b"))
    assert [row.node for row in run.waiting] == ["ask"]
    with pytest.raises(WrongState, match="cannot be retried: block"):
        run.retry("b")


@pytest.mark.feature("cli.retrytask.deps")
def test_a_block_that_began_after_it_begins_again(rebuild: bool) -> None:
    block = TryCatchFinally(catch=task("c"), finally_=task("d"))[task("b")]
    run = start(Sequence[task("a"), block, Approval("ask", title="?")], rebuild)
    finish(run, "a")
    fail(run, "b")
    finish(run, "c", "d")
    run.retry("a")
    finish(run, "a")
    assert attempts(run) == [("b", "", 2)]
    finish(run, "b", "d")
    assert [row.node for row in run.waiting] == ["ask"]


def test_a_failed_run_still_returns_to_a_block_in_its_next_round(rebuild: bool) -> None:
    run = start(TryCatchFinally(finally_=task("d"))[task("a")], rebuild)
    fail(run, "a")
    finish(run, "d")
    assert run.status == "failed"
    run.retry("a")
    assert at_work(run) == ["a"]
    finish(run, "a")
    assert at_work(run) == ["d"]


def test_what_cannot_run_again_is_refused_with_the_state_found(rebuild: bool) -> None:
    run = start(Sequence[task("a"), Parallel[task("b"), Timer("t", duration="1h")], task("c")], rebuild)
    with pytest.raises(WrongState, match="a of run test cannot be retried: it is running"):
        run.retry("a")
    finish(run, "a")
    with pytest.raises(WrongState, match="b began after it and is running"):
        run.retry("a")
    with pytest.raises(WrongState, match="c of run test cannot be retried: it has not run yet"):
        run.retry("c")
    with pytest.raises(WrongState, match="it is waiting-timer"):
        run.retry("t")
    with pytest.raises(NodeNotFound):
        run.retry("nobody")
    run.fire(number(run, "t"))
    finish(run, "b", "c")
    with pytest.raises(WrongState, match="is finished, which is final"):
        run.retry("a")


def test_a_task_that_has_ended_in_a_pause_may_run_again(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    run.pause()
    finish(run, "a")
    run.retry("a")
    assert at_work(run) == []
    run.unpause()
    assert attempts(run) == [("a", "", 2)]


def test_what_has_run_again_alone_began_where_it_began_first(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b"), Approval("ask", title="?")], rebuild)
    finish(run, "a", "b")
    run.retry("a", dependents=False)
    finish(run, "a")
    assert run.retry("b").dependents == ("ask:",)
    finish(run, "b")
    assert run.retry("a").dependents == ("ask:", "b:")


@pytest.mark.feature("cli.retrytask.clear")
def test_the_latest_output_is_of_the_passes_that_are_left(rebuild: bool) -> None:
    """A node of the second pass alone has its first output, once the first pass has run again, in that one."""

    def tree(ctx: Context[Any]) -> Any:
        def odd() -> Any:
            found = ctx.output_maybe(Out, "a")
            return task("odd") if found is not None and found.n else None

        passes = Loop("passes", until=False, max_iterations=2)[Sequence[task("a"), odd]]
        seen = task("seen") if ctx.latest(Out, "odd") else None
        return Parallel[passes, seen, Approval("open", title="?")]

    run = start(tree, rebuild)
    finish(run, "a")
    finish(run, "a", n=1)
    finish(run, "odd", "seen")
    run.retry("a", iteration="0")
    assert attempts(run) == [("a", "0", 2)]
    finish(run, "a", n=1)
    finish(run, "odd")

    assert sorted(at_work(run)) == ["a", "seen"]
