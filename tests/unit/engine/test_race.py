"""Groups that end early: `Race`, and a `timeout` on a group or a loop."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Child,
    Context,
    Decision,
    Loop,
    Parallel,
    Race,
    Sequence,
    Task,
    Timer,
    TryCatchFinally,
)
from smithers.errors import InvalidElement
from smithers.testing import InMemoryRun, fails
from tests.unit.engine.by_hand import at_work, number, start

pytestmark = pytest.mark.decision("0008")


class Out(BaseModel):
    n: int = 0


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **{"retries": 0, **props})[work]


def finish(run: InMemoryRun, *nodes: str) -> None:
    for node in nodes:
        run.finish(number(run, node), Out())


def cancelled(run: InMemoryRun) -> list[str]:
    return sorted(run.open[c.target].node for c in run.open.values() if c.kind == "cancel")


def test_the_first_that_is_done_wins_and_the_others_are_cancelled_and_waited_for(rebuild: bool) -> None:
    slow = Sequence[task("slow"), task("never")]
    run = start(Sequence[Race(id="r")[slow, Approval("ask", title="?"), task("fast")], task("after")], rebuild)

    finish(run, "fast")
    assert (cancelled(run), run.nodes["ask:"].state) == (["slow"], "cancelled")
    assert "after" not in at_work(run), "the one that is told to stop may still be writing"
    run.cancelled(number(run, "slow"))
    assert at_work(run) == ["after"]
    finish(run, "after")

    assert run.status == "finished"
    assert {key: row.state for key, row in run.nodes.items()} == {
        "slow:": "cancelled",
        "never:": "cancelled",
        "ask:": "cancelled",
        "fast:": "finished",
        "after:": "finished",
    }


def test_a_timer_races_a_person(run: Any) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def then() -> Child:
            return task("late" if ctx.output_maybe(Decision, "ask") is None else "answered")

        return Sequence[Race(id="r")[Approval("ask", title="?"), Timer("hour", duration="1s")], then]

    in_time = run(tree, decisions={"ask": True})

    assert (in_time.status, in_time.started) == ("finished", ["answered"])


def test_a_timer_that_fires_first_takes_the_question_back(rebuild: bool) -> None:
    run = start(Sequence[Race[Approval("ask", title="?"), Timer("hour", duration="1h")], task("late")], rebuild)

    assert run.status == "waiting-approval"
    run.fire(1)

    assert (at_work(run), run.waiting, run.nodes["ask:"].state) == (["late"], [], "cancelled")


def test_a_failure_does_not_end_a_race_that_another_may_win(run: Any) -> None:
    won = run(Race(id="r")[task("bad"), Sequence[task("good"), task("better")]], results={"bad": fails()})
    lost = run(Race(id="r")[task("bad"), task("worse")], results={"bad": fails("one"), "worse": fails("two")})

    assert (won.status, won.state("better")) == ("finished", "finished")
    assert (lost.status, lost.error["node"]) == ("failed", "bad")


def test_a_skipped_task_does_not_win(rebuild: bool) -> None:
    run = start(Race(id="r")[task("none", skip_if=True), task("a"), lambda: [task("b"), task("c")]], rebuild)

    assert at_work(run) == ["a", "b"]
    finish(run, "b")
    assert (at_work(run), cancelled(run)) == (["a", "c"], []), "a part has not won before all of it is done"


def test_a_race_in_which_everything_is_skipped_is_over_and_has_not_failed(rebuild: bool) -> None:
    run = start(Sequence[Race[task("a", skip_if=True), task("b", skip_if=True)], task("after")], rebuild)

    finish(run, "after")
    assert run.status == "finished"


def test_what_lost_is_cleaned_up_before_the_race_is_over(rebuild: bool) -> None:
    loser = TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("slow")]
    run = start(Sequence[Race(id="r")[loser, task("fast")], task("after")], rebuild)

    finish(run, "fast")
    run.cancelled(number(run, "slow"))
    assert at_work(run) == ["clean"]
    finish(run, "clean")
    assert at_work(run) == ["after"]


def test_who_needs_an_output_of_a_loser_is_skipped_unless_it_came_in_time(rebuild: bool) -> None:
    needy = Task("needy", output=Out, deps={"slow": Out})[lambda slow: work()]
    for late in (False, True):
        run = start(Sequence[Race(id="r")[task("slow"), task("fast")], needy], rebuild)
        finish(run, "fast")
        if late:
            finish(run, "slow")
            assert at_work(run) == ["needy"]
        else:
            run.cancelled(number(run, "slow"))
            assert (run.status, run.nodes["needy:"].state) == ("finished", "skipped")


def test_a_loser_that_fails_behind_what_the_winner_has_brought_up_is_cancelled(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def loser() -> Child:
            won = ctx.output_maybe(Out, "fast")
            return [won is not None and task("extra"), task("slow", retries=1)]

        return Sequence[Race(id="r")[task("fast"), Sequence[task("first"), loser], task("other")], task("after")]

    run = start(tree, rebuild)
    finish(run, "first", "fast")
    run.fail(number(run, "slow"))
    assert run.nodes["slow:"].state == "cancelled"
    run.cancelled(number(run, "other"))

    assert at_work(run) == ["after"]
    assert "extra:" not in run.nodes


def test_races_in_loops_are_run_anew(run: Any) -> None:
    ended = run(
        Loop("l", until=False, max_iterations=2)[Race(id="r")[task("bad"), task("a")]], results={"bad": fails()}
    )

    assert ended.status == "finished"
    assert sorted(ended.started) == ["a:0", "a:1", "bad:0", "bad:1"]


@pytest.mark.parametrize("group", [Sequence, Parallel, lambda **props: Loop("l", until=False, **props)])
def test_a_group_or_loop_whose_time_is_over_is_cancelled_and_fails(group: Any, rebuild: bool) -> None:
    timed = group(timeout="5m")[task("a"), Approval("ask", title="?")]
    run = start(Sequence[timed, task("after")], rebuild)

    timer = next(c for c in run.work if c.kind == "timer")
    assert timer.delay_ms == 300_000
    assert run.nodes[f"{timer.node}:"].state == "waiting-timer"
    run.fire(timer.n)
    assert cancelled(run) == ["a"]
    run.cancelled(number(run, "a"))

    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["code"], "5m" in run.error["message"]) == ("GROUP_TIMEOUT", True)


def test_a_group_that_is_in_time_stops_its_timer(run: Any) -> None:
    ended = run(Sequence[Sequence(timeout="30s")[task("a"), task("b")], task("after")])

    assert (ended.status, ended.started) == ("finished", ["a", "b", "after"])


def test_a_group_that_is_late_on_a_real_clock_goes_on_with_what_is_there(run: Any) -> None:
    late = Parallel(id="p", timeout="1s", on_timeout="continue")[task("a"), Timer("year", duration="365d")]

    ended = run(Sequence[late, task("after")])

    assert (ended.status, ended.started, ended.state("year")) == ("finished", ["a", "after"], "cancelled")


def test_a_group_fails_with_its_own_failure_before_its_time_is_over(run: Any) -> None:
    ended = run(Parallel(timeout="30s")[task("bad"), task("a")], results={"bad": fails()})

    assert (ended.status, ended.error["node"]) == ("failed", "bad")


@pytest.mark.parametrize(("policy", "state"), [("continue", "running"), ("skip", "skipped")])
def test_a_late_group_keeps_its_outputs_or_counts_as_skipped(policy: Any, state: str, rebuild: bool) -> None:
    early = Task("needy", output=Out, deps={"a": Out})[lambda a: work()]
    never = Task("other", output=Out, deps={"b": Out})[lambda b: work()]
    late = Sequence(id="s", timeout="1m", on_timeout=policy)[task("a"), task("b")]
    run = start(Sequence[late, Parallel[early, never]], rebuild)

    finish(run, "a")
    run.fire(number(run, "s:timeout"))
    run.cancelled(number(run, "b"))

    assert (run.nodes["needy:"].state, run.nodes["other:"].state) == (state, "skipped")


def test_a_late_group_can_be_caught(rebuild: bool) -> None:
    guarded = TryCatchFinally(id="t", catch=task("handle"), catch_errors=["GROUP_TIMEOUT"])
    run = start(guarded[Parallel(id="p", timeout="1m")[task("a")]], rebuild)

    run.fire(number(run, "p:timeout"))
    run.cancelled(number(run, "a"))
    assert at_work(run) == ["handle"]


def test_a_resumed_run_gives_a_late_group_its_time_again(rebuild: bool) -> None:
    run = start(Sequence(id="s", timeout="1m")[task("a"), task("b")], rebuild)
    finish(run, "a")
    run.fire(number(run, "s:timeout"))
    run.cancelled(number(run, "b"))
    assert run.status == "failed"

    run.resume()
    assert at_work(run) == ["b", "s:timeout:2"]
    finish(run, "b")
    assert run.status == "finished"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequence(timeout="soon"), "is not a duration"),
        (lambda: Parallel(timeout="0s"), "leaves no time at all"),
        (lambda: Loop("l", until=False, timeout="1s", on_timeout="retry"), "use one of fail, skip, continue"),  # type: ignore[arg-type]
        (lambda: Race(id="r")["text"], "text and data belong inside a Task"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make: Any, message: str) -> None:
    with pytest.raises(InvalidElement, match=rf"{message}.*test_race\.py:\d+"):
        make()


def test_a_timed_group_that_begins_with_a_function_needs_an_id() -> None:
    with pytest.raises(
        Exception, match=r"Sequence begins with a function, so it needs an id of its own.*test_race\.py:\d+"
    ):
        start(Sequence(timeout="1m")[lambda: task("a")])
