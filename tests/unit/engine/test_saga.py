"""What `Saga` undoes, in which order, and what becomes of the run then (components-saga)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Caught, Child, Context, Loop, Parallel, Saga, SagaStep, Sequence, Task, call
from smithers.engine.plan import Planner
from smithers.errors import InvalidElement
from smithers.testing import InMemoryRun, fails
from tests.unit.engine.by_hand import at_work, fail, number, start

pytestmark = pytest.mark.decision("0008")


class Out(BaseModel):
    n: int = 0
    text: str = ""


def work() -> Out:
    return Out()


def write(text: str) -> Out:
    return Out(text=text)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **{"retries": 0, **props})[work]


def trip(**props: Any) -> Saga:
    """Three steps that can be undone."""
    return Saga(**props)[
        (SagaStep(name, compensation=task(f"un{name}", retries=2))[task(name)] for name in ("fly", "stay", "drive"))
    ]


def finish(run: InMemoryRun, *nodes: str) -> None:
    for node in nodes:
        run.finish(number(run, node), Out())


@pytest.mark.feature("saga.step-children", "saga.sequential")
def test_steps_run_one_after_another_and_nothing_is_undone_when_all_is_well(run: Any) -> None:
    ended = run(Sequence[trip(), task("after")])

    assert (ended.status, ended.started) == ("finished", ["fly", "stay", "drive", "after"])


@pytest.mark.feature("saga.onFailure.compensate", "saga.compensate.order")
def test_the_steps_before_the_failed_one_are_undone_last_first_and_the_run_goes_on(run: Any) -> None:
    ended = run(Sequence[trip(), task("after")], results={"drive": fails()})

    assert ended.status == "finished"
    assert ended.started == ["fly", "stay", "drive", "unstay", "unfly", "after"]


@pytest.mark.feature("saga.onFailure.compensate-and-fail")
def test_or_the_failure_goes_on_once_all_is_undone(run: Any) -> None:
    ended = run(Sequence[trip(on_failure="compensate-and-fail"), task("after")], results={"stay": fails("full")})

    assert (ended.status, ended.started) == ("failed", ["fly", "stay", "unfly"])
    assert (ended.error["node"], "full" in ended.error["message"]) == ("stay", True)


@pytest.mark.feature("saga.onFailure.fail")
def test_or_nothing_is_undone(run: Any) -> None:
    ended = run(trip(on_failure="fail"), results={"drive": fails()})

    assert (ended.status, ended.started) == ("failed", ["fly", "stay", "drive"])


@pytest.mark.feature("saga.compensate.context")
def test_a_compensation_is_told_the_failure_as_an_argument_and_in_its_tasks_metadata(run: Any) -> None:
    def undo(failure: Caught) -> Child:
        return Task("undo", output=Out)[call(write, f"{failure.code} {failure.node}")]

    saga = Saga[SagaStep("one", compensation=undo)[task("a")], SagaStep("two")[task("b")]]

    assert run(saga, results={"b": fails()}).output(Out, "undo").text == "TASK_FAILED b"
    memory = start(trip())
    finish(memory, "fly")
    fail(memory, "stay")
    meta = memory.planner.tree.leaves["unfly:"].element.meta
    assert meta["failure"] == {"code": "TASK_FAILED", "summary": "it broke", "node": "stay", "iteration": ""}


@pytest.mark.feature("saga.compensate.on-demand")
def test_compensations_are_not_in_the_plan_until_something_is_undone(rebuild: bool) -> None:
    run = start(trip(), rebuild)

    finish(run, "fly")
    assert sorted(run.nodes) == ["drive:", "fly:", "stay:"]
    fail(run, "stay")
    assert sorted(run.nodes) == ["drive:", "fly:", "stay:", "unfly:"]


@pytest.mark.feature("saga.compensate.failure")
def test_a_compensation_has_retries_and_one_that_fails_keeps_no_other_from_running_but_fails_the_saga(run: Any) -> None:
    ended = run(Sequence[trip(), task("after")], results={"drive": fails("no car"), "unstay": fails("no refund")})

    assert ended.started == ["fly", "stay", "drive", "unstay", "unstay", "unstay", "unfly"]
    assert (ended.status, ended.error["node"]) == ("failed", "unstay")
    assert "no refund" in ended.error["message"]
    assert "no car" in ended.error["message"]


@pytest.mark.feature("saga.cancel")
def test_a_cancelled_run_undoes_the_steps_that_are_done(rebuild: bool) -> None:
    run = start(Parallel[trip(), task("beside")], rebuild)
    finish(run, "fly", "stay")

    run.cancel()
    assert set(at_work(run)) == {"drive", "beside"}
    run.cancelled(next(c.n for c in run.work if c.node == "drive"))
    assert at_work(run) == ["beside", "unstay"]
    finish(run, "unstay", "beside", "unfly")

    assert run.status == "cancelled"
    assert run.nodes["drive:"].state == "cancelled"


def test_a_saga_is_undone_when_a_group_around_it_fails(rebuild: bool) -> None:
    run = start(Parallel[task("bad"), trip()], rebuild)
    finish(run, "fly")

    fail(run, "bad")
    assert at_work(run) == ["stay"], "what is in flight ends first"
    finish(run, "stay")
    finish(run, "unstay", "unfly")

    assert (run.status, run.error and run.error["node"]) == ("failed", "bad")
    assert run.nodes["drive:"].state == "cancelled"


def test_a_saga_that_is_over_is_not_undone(rebuild: bool) -> None:
    run = start(Sequence[trip(), task("after")], rebuild)
    finish(run, "fly", "stay", "drive")

    fail(run, "after")

    assert (run.status, at_work(run)) == ("failed", [])


def test_a_step_that_did_nothing_has_nothing_to_undo(run: Any) -> None:
    steps = [
        SagaStep("none", compensation=task("x"))[task("skipped", skip_if=True)],
        SagaStep("some", compensation=task("y"))[task("a")],
        SagaStep("bad", compensation=task("z"))[task("b")],
    ]

    assert run(Saga(steps=steps), results={"b": fails()}).started == ["a", "b", "y"]


@pytest.mark.feature("saga.durable")
def test_a_crash_at_any_time_while_undoing_goes_on_where_it_was() -> None:
    run = start(trip())
    finish(run, "fly", "stay")
    fail(run, "drive")
    for expected in ("unstay", "unfly"):
        again = Planner.build(run.workflow, run.run_id, run.log)
        assert [again.state.by_command[n] for n in sorted(again.state.by_command)] == [f"{expected}:"]
        run.planner = again
        finish(run, expected)

    assert run.status == "finished"


def test_a_resumed_run_does_anew_what_was_undone(rebuild: bool) -> None:
    run = start(Sequence[trip(on_failure="compensate-and-fail"), task("after")], rebuild)
    finish(run, "fly")
    fail(run, "stay")
    finish(run, "unfly")
    assert run.status == "failed"

    run.resume()
    seen: list[tuple[str, str]] = []
    while run.work:
        seen += [(c.node, c.iteration) for c in run.work]
        run.finish(run.work[0].n, Out())

    assert seen == [("fly", "1"), ("stay", "1"), ("drive", "1"), ("after", "")]
    assert run.status == "finished"


def test_a_resumed_run_whose_undoing_failed_goes_on_undoing(rebuild: bool) -> None:
    run = start(Sequence[trip(), task("after")], rebuild)
    finish(run, "fly", "stay")
    fail(run, "drive")
    fail(run, "unstay")
    finish(run, "unfly")
    assert run.status == "failed"

    run.resume()
    assert [(c.node, c.iteration, c.attempt) for c in run.work] == [("unstay", "", 2)]
    finish(run, "unstay", "after")
    assert run.status == "finished"


def test_sagas_in_loops_begin_anew_in_every_pass_and_may_hold_loops_and_groups(run: Any) -> None:
    loop = Loop("twice", until=False, max_iterations=2)[task("a")]
    saga = Saga(id="s")[
        SagaStep("one", compensation=Parallel[task("u1"), task("u2")])[loop],
        SagaStep("two")[Parallel[task("b"), task("c")]],
    ]

    ended = run(Loop("outer", until=False, max_iterations=2)[saga], results={"c": [fails(), Out()]})

    assert ended.status == "finished"
    began = [*ended.started[:2], *sorted(ended.started[2:4]), *sorted(ended.started[4:6]), *ended.started[6:8]]
    assert began == ["a:0.0", "a:0.1", "b:0", "c:0", "u1:0", "u2:0", "a:1.0", "a:1.1"]
    assert sorted(ended.started[8:]) == ["b:1", "c:1"]


@pytest.mark.feature("saga.steps", "saga.exclusive", "saga.label", "saga.step-id", "saga.id")
def test_steps_may_be_given_as_a_list_which_wins_over_children(run: Any) -> None:
    listed = [SagaStep("one", label="First")[task("a")]]
    saga = Saga(steps=listed)[SagaStep("two")[task("b")]]

    assert (saga.name, Saga(id="mine", steps=listed).name) == ("one:saga", "mine")
    assert run(saga).started == ["a"]


@pytest.mark.feature("saga.skipIf")
def test_a_skipped_saga_is_not_there(run: Any) -> None:
    assert run(Sequence[trip(skip_if=True), task("after")]).started == ["after"]


@pytest.mark.feature("saga.step-id")
def test_sagas_that_make_no_sense_are_refused_where_they_are_written() -> None:
    with pytest.raises(InvalidElement, match=r"two steps are called 'a'.*test_saga\.py"):
        Saga[SagaStep("a")[task("x")], SagaStep("a")[task("y")]]
    with pytest.raises(InvalidElement, match=r"as a step: write SagaStep"):
        Saga[task("x")]
    with pytest.raises(InvalidElement, match=r"SagaStep\('a b'\): an id is.*test_saga\.py"):
        SagaStep("a b")
    with pytest.raises(InvalidElement, match="use one of compensate, compensate-and-fail, fail"):
        Saga(on_failure="undo")  # type: ignore[arg-type]


def test_a_step_outside_of_a_saga_is_refused() -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Sequence[SagaStep("lost")[task("a")]]

    with pytest.raises(Exception, match=r"SagaStep.*directly in a Saga"):
        start(tree)
