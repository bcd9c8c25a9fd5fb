"""Questions that stand aside: what does not need their answer goes on, what needs it waits."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    Approval,
    Child,
    Context,
    Decision,
    HumanTask,
    Loop,
    Parallel,
    Race,
    Sequence,
    Signal,
    Task,
    Timer,
    TryCatchFinally,
    WaitForEvent,
)
from tests.unit.engine.asking import Out, task, work
from tests.unit.engine.by_hand import at_work, number, start

KINDS: dict[str, Any] = {
    "approval": Approval("ask", title="?", async_=True),
    "human": HumanTask("ask", output=Out, prompt="?", async_=True),
    "gate": task("ask", needs_approval=True, async_=True),
    "wait": WaitForEvent("ask", event="ask", output=Out, async_=True),
    "signal": Signal("ask", output=Out, async_=True),
}


@pytest.mark.feature("common.async-wait", "approval.async", "humantask.async", "task.async")
@pytest.mark.feature("approval.async.deps", "task.async.dependents")
@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_need_the_answer_goes_on_and_what_does_waits(rebuild: bool, kind: str) -> None:
    run = start(
        Sequence[
            Sequence[KINDS[kind]],
            task("beside"),
            task("next"),
            Parallel[task("needs", depends_on=["ask"]), task("named", needs={"said": "ask"}), task("free")],
            task("last"),
        ],
        rebuild,
    )

    assert at_work(run) == ["beside"]
    run.finish(number(run, "beside"), Out())
    run.finish(number(run, "next"), Out())
    assert at_work(run) == ["free"]
    run.finish(number(run, "free"), Out())
    assert run.status == ("waiting-event" if kind in ("wait", "signal") else "waiting-approval")
    answer(run, kind)
    assert at_work(run) == ["needs", "named"]
    run.finish(number(run, "needs"), Out())
    run.finish(number(run, "named"), Out())
    run.finish(number(run, "last"), Out())
    assert run.status == "finished"


def answer(run: Any, kind: str) -> None:
    match kind:
        case "approval":
            run.decide("ask")
        case "human":
            run.answer("ask", Out(n=2))
        case "gate":
            run.decide("ask")
            run.finish(number(run, "ask"), Out())
        case _:
            run.signal("ask", Out(n=2))


@pytest.mark.feature("approval.async", "humantask.async", "common.async-wait")
def test_a_run_waits_for_its_async_questions_in_the_end(run: Any) -> None:
    tree = Sequence[
        Approval("ask", title="?", async_=True),
        HumanTask("fill", output=Out, prompt="?", async_=True),
        task("gated", needs_approval=True, async_=True),
        task("beside"),
    ]

    open_ = run(tree)
    ended = run(tree, decisions={"ask": True, "fill": Out(n=2), "gated": True})

    assert (open_.status, open_.started) == ("waiting-approval", ["beside"])
    assert ended.status == "finished"
    assert sorted(ended.started) == ["beside", "gated"]


@pytest.mark.feature("approval.async.maybe", "humantask.async.maybe")
def test_readers_bear_that_there_is_no_answer_yet(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def follow() -> Child:
            said, value = ctx.output_maybe(Decision, "ask"), ctx.output_maybe(Out, "fill")
            return task(f"said-{said.approved if said else 'nothing'}-{value.n if value else 'nothing'}")

        asked = [Approval("ask", title="?", async_=True), HumanTask("fill", output=Out, prompt="?", async_=True)]
        return Sequence[asked, follow]

    run = start(make, rebuild)
    seen = [at_work(run)]
    run.finish(run.work[0].n, Out())
    run.decide("ask")
    seen.append(at_work(run))
    run.answer("fill", Out(n=7))

    assert [*seen, at_work(run)[-1:]] == [["said-nothing-nothing"], ["said-True-nothing"], ["said-True-7"]]


@pytest.mark.feature("approval.async", "humantask.async", "task.async")
@pytest.mark.parametrize("kind", ["approval", "human", "gate"])
def test_a_late_no_fails_the_sequence_and_nothing_new_starts(rebuild: bool, kind: str) -> None:
    run = start(Sequence[KINDS[kind], task("beside"), Timer("nap", duration="1h"), task("next")], rebuild)

    run.decide("ask", approved=False)
    assert run.status == "running"
    run.finish(number(run, "beside"), Out())

    assert (run.status, run.work) == ("failed", [])
    assert run.nodes["next:"].state == "pending"


@pytest.mark.feature("task.async")
def test_a_gated_task_that_fails_late_fails_the_sequence(rebuild: bool) -> None:
    run = start(
        Sequence[task("ask", needs_approval=True, async_=True, retries=0), Approval("other", title="?")], rebuild
    )

    run.decide("ask")
    run.fail(number(run, "ask"))

    assert (run.status, run.nodes["other:"].state) == ("failed", "cancelled")


@pytest.mark.parametrize("on_timeout", ["fail", "skip", "continue", "deny"])
def test_the_time_of_an_async_question_ends_it(rebuild: bool, on_timeout: Any) -> None:
    ask = Approval("ask", title="?", async_=True, timeout="1h", on_timeout=on_timeout)
    run = start(Sequence[ask, task("beside")], rebuild)

    run.fire(number(run, "ask"))
    run.finish(number(run, "beside"), Out())

    assert run.status == ("finished" if on_timeout in ("skip", "continue") else "failed")


@pytest.mark.feature("approval.async")
def test_a_pass_of_a_loop_ends_when_its_questions_are_answered(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        return Loop("l", until=lambda: ctx.iteration_count("ask") >= 2)[
            lambda: [Approval("ask", title="?", async_=True), task("t")]
        ]

    run = start(make, rebuild)
    for turn in "01":
        run.finish(run.work[0].n, Out())
        assert run.status == "waiting-approval"
        run.decide("ask", iteration=turn)

    assert run.status == "finished"


def test_a_cleanup_that_asks_keeps_its_time_though_the_run_is_cancelled(rebuild: bool) -> None:
    ask = Approval("sure", title="?", timeout="1h", on_timeout="continue")
    run = start(TryCatchFinally(id="t", finally_=Sequence[ask, task("sweep")])[task("a")], rebuild)
    run.finish(number(run, "a"), Out())

    run.cancel()
    run.fire(number(run, "sure"))
    run.finish(number(run, "sweep"), Out())

    assert run.status == "cancelled"


def test_a_race_of_questions_that_stand_aside_is_won_by_the_first_answer(rebuild: bool) -> None:
    race = Race(id="r")[WaitForEvent("w", event="e", output=Out, async_=True), Approval("ask", title="?", async_=True)]
    run = start(Sequence[race, task("after")], rebuild)

    run.decide("ask")

    assert (run.nodes["w:"].state, at_work(run)[-1:]) == ("cancelled", ["after"])


def test_an_answer_that_brings_something_new_sets_back_what_had_gone_past(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def more() -> Child:
            value = ctx.output_maybe(Out, "fill")
            return Task("more", output=Out)[work] if value else None

        return Sequence[HumanTask("fill", output=Out, prompt="?", async_=True), more, task("next"), task("last")]

    run = start(make, rebuild)
    run.answer("fill", Out(n=1))
    assert at_work(run) == ["next", "more"]
    run.finish(number(run, "next"), Out())
    assert at_work(run) == ["more"]
    run.finish(number(run, "more"), Out())

    assert at_work(run) == ["last"]


@pytest.mark.decision("0020")
def test_a_question_that_comes_back_into_the_tree_is_the_one_that_was_asked(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def asked() -> Child:
            hidden = ctx.output_maybe(Out, "hides") is not None and ctx.output_maybe(Out, "shows") is None
            return None if hidden else Approval("ask", title="?", retries=1)

        return Parallel[task("hides"), task("shows"), asked]

    run = start(tree, rebuild)
    before = run.nodes["ask:"].detail
    run.finish(number(run, "hides"), Out())
    assert run.nodes["ask:"].state == "unmounted"
    run.finish(number(run, "shows"), Out())

    assert (run.nodes["ask:"].state, run.nodes["ask:"].detail) == ("waiting-approval", before)
    run.decide("ask", approved=False)
    assert (run.nodes["ask:"].detail or {})["ask"] == 2
