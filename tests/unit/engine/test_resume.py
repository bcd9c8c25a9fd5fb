"""A resumed run goes on from what failed, and that holds for a person's denial too."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Decision, Loop, Parallel, Sequence, Task, Turn, Workflow, call
from smithers.engine.plan import Planner
from smithers.errors import WrongState
from smithers.testing import InMemoryRun

pytestmark = pytest.mark.decision("0027")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work)]


def asked(ctx: Context[Any]) -> Child:
    return Sequence[task("before"), Approval("ask", title="Go on?"), task("after")]


def start(make: Any, *, rebuild: bool = False) -> InMemoryRun:
    return InMemoryRun(Workflow("resumed", make, None), rebuild=rebuild)


def deny(run: InMemoryRun, node: str = "ask", iteration: str = "") -> None:
    run.decide(node, approved=False, iteration=iteration)


def test_a_denied_approval_is_asked_again_as_often_as_its_run_is_resumed(rebuild: bool) -> None:
    run = start(asked, rebuild=rebuild)
    run.finish(run.work[0].n, Out())
    for times in (1, 2):
        deny(run)
        assert (run.status, run.nodes["ask:"].state) == ("failed", "failed")
        run.resume()
        assert (run.status, [row.node for row in run.waiting]) == ("waiting-approval", ["ask"])
        assert run.waiting[0].detail == {"title": "Go on?", "summary": "", "ask": times + 1}
    run.decide("ask", approved=True)
    run.finish(run.work[0].n, Out())
    assert run.status == "finished"
    assert run.output(Decision, "ask").approved
    keys = [entry.key for entry in run.log if entry.kind == "decided"]
    assert keys == ["decided:ask:", "decided:ask:#2", "decided:ask:#3"]


def test_an_approval_that_is_asked_again_is_still_used_once() -> None:
    run = start(asked)
    run.finish(run.work[0].n, Out())
    deny(run)
    run.resume()
    run.paused = True
    run.decide("ask", approved=True)
    with pytest.raises(WrongState):
        deny(run)


@pytest.mark.parametrize("on_deny", ["continue", "skip"])
def test_a_denial_that_the_author_has_provided_for_stands(on_deny: Any, rebuild: bool) -> None:
    approval = Approval("ask", title="?", on_deny=on_deny)
    run = start(lambda ctx: Sequence[approval, task("after", retries=0)], rebuild=rebuild)
    deny(run)
    run.fail(run.work[0].n)
    run.resume()
    assert run.waiting == []
    assert [command.node for command in run.work] == ["after"]


def test_an_approval_that_was_given_stands(rebuild: bool) -> None:
    run = start(lambda ctx: Parallel[Approval("yes", title="?"), Approval("no", title="?")], rebuild=rebuild)
    run.decide("yes", approved=True)
    deny(run, "no")
    run.resume()
    assert [row.node for row in run.waiting] == ["no"]


def test_a_denial_that_was_taken_back_is_no_output(rebuild: bool) -> None:
    seen: list[tuple[int, bool | None]] = []

    def make(ctx: Context[Any]) -> Child:
        def rounds(turn: Turn) -> Child:
            return Approval("ask", title="?")

        def reader() -> Child:
            last = ctx.latest(Decision, "ask")
            seen.append((ctx.iteration_count("ask"), last.approved if last else None))
            return None

        return Parallel[Loop("rounds", until=False, max_iterations=3, on_max_reached="return-last")[rounds], reader]

    run = start(make, rebuild=rebuild)
    run.decide("ask", approved=True, iteration="0")
    deny(run, iteration="1")
    assert seen[-1] == (2, False)
    run.resume()
    assert seen[-1] == (1, True)
    assert [(row.node, row.iteration) for row in run.waiting] == [("ask", "1")]
    state = run.planner.state
    assert state.finished == {("ask", ()): (0,), ("ask", (0,)): (0,)}


@pytest.mark.feature("resume.steps.go")
def test_a_task_that_has_killed_its_processes_gets_a_new_attempt(rebuild: bool) -> None:
    run = start(lambda ctx: task("a"), rebuild=rebuild)
    first = run.work[0]
    for nth in (1, 2, 3):
        run.tell(
            "died", f"died:{first.n}:{nth}", {"n": first.n, "node": "a", "iteration": "", "attempt": 1, "nth": nth}
        )
    run.lose(first.n)
    assert (run.status, (run.error or {})["code"]) == ("failed", "KILLED_WORKER")
    run.resume()
    assert [(command.node, command.attempt) for command in run.work] == [("a", 2)]


def test_a_log_without_an_ask_keeps_its_meaning() -> None:
    """As logs were written before denials were taken back: one decision, one key."""
    run = start(asked)
    run.finish(run.work[0].n, Out())
    run.decide("ask", approved=True)
    again = Planner.build(run.workflow, run.run_id, run.log)
    assert again.state.nodes["ask:"].ask == 1
    assert "ask" not in (run.plans[1].nodes[-1].detail or {})
