"""What is stored behind what a plan covers, and before its frame. See `tests/unit/engine/overtaken.py`."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    Approval,
    AutoApprove,
    Child,
    Context,
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
    Workflow,
)
from tests.unit.engine.asking import Out, work
from tests.unit.engine.asking import task as retried
from tests.unit.engine.by_hand import at_work, fail, number
from tests.unit.engine.overtaken import OvertakenRun

pytestmark = pytest.mark.decision("0004")


def relay(person: Out) -> Out:
    return person


def task(id: str, **props: Any) -> Task[Out]:
    return retried(id, **{"retries": 0, **props})


def start(tree: Any, rebuild: bool) -> OvertakenRun:
    function = tree if callable(tree) else lambda ctx: tree
    return OvertakenRun(Workflow("overtaken", function, None), rebuild=rebuild)


def test_who_answers_before_an_approval_approves_itself_is_heard(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        policy = AutoApprove(condition=lambda ctx: ctx.output_maybe(Out, "size") is not None)
        return Sequence[Parallel[task("size"), Approval("ship", auto_approve=policy, on_deny="skip")], task("after")]

    run = start(tree, rebuild)
    run.holding = True
    run.finish(number(run, "size"), Out())
    run.decide("ship", approved=False)
    run.let_go()

    assert (run.refused, run.nodes["ship:"].state, at_work(run)) == (1, "skipped", ["after"])


def test_what_a_person_resets_does_not_go_on_from_before(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b"), task("c")], rebuild)
    run.finish(number(run, "a"), Out())
    run.holding = True
    run.finish(number(run, "b"), Out())
    run.retry("a")
    run.let_go()

    assert (run.refused, at_work(run)) == (1, ["a"])


@pytest.mark.parametrize("kind", ["pause", "cancel"])
def test_a_pause_holds_a_frame_back_and_a_cancel_does_not(rebuild: bool, kind: str) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    run.holding = True
    run.finish(number(run, "a"), Out())
    getattr(run, kind)()
    run.let_go()

    expected = {"pause": ([], "paused"), "cancel": (["b"], "running")}
    assert (at_work(run), run.status) == expected[kind]


def test_a_cleanup_behind_what_a_cancel_withdraws_is_reached(rebuild: bool) -> None:
    """What stood aside when the block began has come back with more to do: the block's turn has not come again."""

    def tree(ctx: Context[Any]) -> Child:
        def news(payload: Out) -> Child:
            return task("first", retries=3)

        block = TryCatchFinally(id="block", finally_=Timer("wait", duration="1m"))[Approval("inside", title="?")]
        return Sequence[Signal("news", output=Out, async_=True)[news], block]

    run = start(tree, rebuild)
    run.signal("news", Out())
    run.paused = True
    run.fail(number(run, "first"))
    run.paused = False
    run.cancel()
    assert at_work(run) == ["wait"]
    run.fire(number(run, "wait"))

    assert (run.nodes["wait:"].state, run.status) == ("finished", "cancelled")


def test_what_came_and_went_in_one_plan_is_read_in_the_pass_it_belonged_to(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def found() -> Child:
            return task("after" if ctx.output_maybe(Out, "news") is not None else "nothing")

        once = Loop("loop", until=False, max_iterations=1)[WaitForEvent("news", event="go", output=Out)]
        return Sequence[TryCatchFinally(id="block", catch=once)[task("a")], found]

    run = start(tree, rebuild)
    run.signal("go", Out())
    fail(run, "a")
    assert at_work(run) == ["after"]
    run.pause()
    run.unpause()
    assert at_work(run) == ["after"]
    run.finish(number(run, "after"), Out())

    assert (run.status, run.nodes["nothing:"].state) == ("finished", "unmounted")


def test_who_waits_for_what_a_cancel_ends_is_cancelled_too(rebuild: bool) -> None:
    needy = Task("needy", output=Out, deps={"person": Out})[relay]
    run = start(Parallel[HumanTask("person", output=Out, prompt="?"), needy], rebuild)
    run.cancel()

    assert (run.status, run.nodes["needy:"].state) == ("cancelled", "cancelled")


def test_what_a_plan_has_withdrawn_is_not_asked_again_for_a_denial_that_came_meanwhile(rebuild: bool) -> None:
    run = start(Parallel[task("bad"), task("other"), Approval("ask", title="?", retries=1)], rebuild)
    run.holding = True
    fail(run, "bad")
    run.decide("ask", approved=False)
    run.let_go()
    run.finish(number(run, "other"), Out())

    assert (run.status, run.nodes["ask:"].state) == ("failed", "cancelled")
    assert not any(plan.frame.get("asks") for plan in run.plans)


def test_who_waits_for_a_node_of_a_loop_goes_on_when_the_loop_has_left_with_its_block(rebuild: bool) -> None:
    once = Loop("loop", until=False, max_iterations=1)[task("a")]
    after = WaitForEvent("news", event="go", output=Out, depends_on=["a"])
    run = start(Sequence[Race(id="race")[once], after], rebuild)
    run.finish(number(run, "a"), Out())
    assert run.status == "waiting-event"
    run.signal("go", Out())

    assert run.status == "finished"


def test_what_waited_for_something_withdrawn_in_a_group_that_fails_is_withdrawn_too(rebuild: bool) -> None:
    """The inner group fails first, and the outer one with it."""
    gated = Task("gated", output=Out, needs_approval=True)[work]
    needy = Task("needy", output=Out, deps={"person": Out}, needs={"person": "gated"})[relay]
    run = start(lambda ctx: Parallel[(lambda: [task("bad"), gated]), needy], rebuild)
    fail(run, "bad")

    assert (run.status, run.nodes["needy:"].state) == ("failed", "cancelled")
