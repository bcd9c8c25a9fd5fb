"""Nothing begins in a paused run, and nothing that happens in it is lost."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Loop, Parallel, Sequence, Task, Timer, Turn, WaitForEvent, call
from smithers.errors import WrongState
from tests.unit.engine.by_hand import at_work, number, start

pytestmark = pytest.mark.decision("0015")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work)]


def test_a_task_that_runs_ends_and_what_follows_waits(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    run.pause("the machine is needed")
    run.finish(number(run, "a"), Out(n=1))
    assert (run.status, at_work(run), run.output(Out, "a").n) == ("paused", [], 1)
    run.unpause()
    assert (run.status, at_work(run)) == ("running", ["b"])


def test_a_failure_is_not_tried_again_before_the_run_goes_on(rebuild: bool) -> None:
    run = start(task("a", retries=1), rebuild)
    run.pause()
    run.fail(number(run, "a"))
    assert at_work(run) == []
    run.unpause()
    assert [(command.node, command.attempt) for command in run.work] == [("a", 2)]


def test_timers_answers_and_events_are_kept_and_start_nothing(rebuild: bool) -> None:
    tree = Parallel[
        Sequence[Timer("t", duration="1h"), task("after_t")],
        Sequence[Approval("ask", title="?"), task("after_ask")],
        Sequence[WaitForEvent("e", event="go", output=Out), task("after_e")],
    ]
    run = start(tree, rebuild)
    run.pause()
    run.fire(number(run, "t"))
    run.decide("ask", approved=True)
    run.signal("go", Out(n=1))
    assert (run.status, at_work(run)) == ("paused", [])
    with pytest.raises(WrongState, match="does not wait"):
        run.decide("ask", approved=False)
    run.unpause()
    assert sorted(at_work(run)) == ["after_ask", "after_e", "after_t"]


def test_a_run_that_waits_for_a_person_waits_for_one_after_a_pause(rebuild: bool) -> None:
    run = start(Approval("ask", title="?"), rebuild)
    run.pause()
    run.unpause()
    assert (run.status, [row.node for row in run.waiting]) == ("waiting-approval", ["ask"])


def test_loops_enter_no_pass(rebuild: bool) -> None:
    def body(turn: Turn) -> Any:
        return task("a")

    run = start(Loop("l", until=False, max_iterations=3)[body], rebuild)
    run.pause()
    run.finish(number(run, "a"), Out())
    assert "a:1" not in run.nodes
    run.unpause()
    assert [(command.node, command.iteration) for command in run.work] == [("a", "1")]


def test_a_cancel_ends_the_pause_and_the_run(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    run.pause()
    run.cancel()
    run.cancelled(number(run, "a"))
    assert (run.status, run.nodes["a:"].state) == ("cancelled", "cancelled")
    assert run.planner.state.paused is None


def test_what_was_lost_while_it_was_paused_is_begun_again(rebuild: bool) -> None:
    run = start(task("a"), rebuild)
    run.pause()
    run.lose(number(run, "a"))
    assert at_work(run) == []
    run.unpause()
    assert [(command.n, command.node, command.attempt) for command in run.work] == [(2, "a", 1)]


def test_it_can_be_paused_again_and_only_one_way_at_a_time(rebuild: bool) -> None:
    run = start(task("a"), rebuild)
    with pytest.raises(WrongState, match="not paused"):
        run.unpause()
    for _ in range(2):
        run.pause()
        with pytest.raises(WrongState, match="paused already"):
            run.pause()
        run.unpause()
    run.finish(number(run, "a"), Out())
    assert run.status == "finished"
