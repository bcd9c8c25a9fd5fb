"""What a resume makes of each state that a node can be in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Loop, Parallel, Sequence, Task, call
from smithers.engine.plan import Planner
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import at_work, fail, number, start

pytestmark = pytest.mark.decision("0027")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work)]


def finish(run: InMemoryRun, *nodes: str) -> None:
    for node in nodes:
        run.finish(number(run, node), Out(n=1))


@pytest.mark.feature("resume.contract", "resume.state.finished", "resume.steps.render", "resume.steps.go")
@pytest.mark.feature("resume.state.pending")
def test_what_has_finished_is_not_run_again_and_what_is_left_is(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b"), task("c")], rebuild)
    finish(run, "a")
    fail(run, "b")
    assert run.status == "failed"
    run.resume()
    assert (at_work(run), run.output(Out, "a").n) == (["b"], 1)
    finish(run, "b")
    assert at_work(run) == ["c"]
    finish(run, "c")
    assert run.status == "finished"
    assert [c.node for plan in run.plans for c in plan.commands if c.kind == "run"].count("a") == 1


@pytest.mark.feature("resume.state.skipped")
def test_what_was_skipped_stays_skipped(rebuild: bool) -> None:
    run = start(Sequence[task("no", skip_if=True), task("b")], rebuild)
    fail(run, "b")
    run.resume()
    assert (run.nodes["no:"].state, at_work(run)) == ("skipped", ["b"])


@pytest.mark.feature("resume.state.waiting", "resume.approval")
def test_a_question_waits_over_the_loss_of_every_process(rebuild: bool) -> None:
    run = start(Parallel[Approval("ask", title="?"), task("a")], rebuild)
    finish(run, "a")
    run.planner = Planner.build(run.workflow, run.run_id, run.log)
    assert (run.status, [row.node for row in run.waiting]) == ("waiting-approval", ["ask"])
    run.decide("ask", approved=True)
    assert run.status == "finished"


@pytest.mark.feature("resume.loop")
def test_a_loop_goes_on_in_the_pass_and_at_the_task_that_failed(rebuild: bool) -> None:
    run = start(Loop("l", until=False, max_iterations=3)[Sequence[task("a"), task("b")]], rebuild)
    finish(run, "a", "b", "a")
    fail(run, "b")
    run.resume()
    assert [(command.node, command.iteration) for command in run.work] == [("b", "1")]
    assert (run.output(Out, "a", "0").n, run.output(Out, "a", "1").n) == (1, 1)


@pytest.mark.feature("resume.newid")
def test_another_run_starts_from_scratch(rebuild: bool) -> None:
    run = start(Sequence[task("a"), task("b")], rebuild)
    finish(run, "a")
    other = InMemoryRun(run.workflow, run_id="other", rebuild=rebuild)
    assert (at_work(run), at_work(other)) == (["b"], ["a"])


@pytest.mark.feature("resume.crash")
def test_after_a_crash_only_what_was_in_flight_is_begun_again(rebuild: bool) -> None:
    run = start(Sequence[task("a"), Parallel[task("b"), task("c")]], rebuild)
    finish(run, "a", "b")
    run.lose(number(run, "c"))
    assert [(command.node, command.attempt) for command in run.work] == [("c", 1)]
