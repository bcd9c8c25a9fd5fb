"""What `TryCatchFinally` makes of failures, of being stopped, and of crashes (components-try-catch-finally)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Caught,
    Child,
    Context,
    Loop,
    Parallel,
    Race,
    Saga,
    SagaStep,
    Sequence,
    Task,
    TryCatchFinally,
    call,
)
from smithers.errors import InvalidElement, NonRetryable
from smithers.testing import InMemoryRun, fails
from tests.unit.engine.by_hand import at_work, fail, number, start

pytestmark = pytest.mark.decision("0008")


class Out(BaseModel):
    n: int = 0
    text: str = ""


def work(n: int = 0) -> Out:
    return Out(n=n)


def write(text: str) -> Out:
    return Out(text=text)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **{"retries": 0, **props})[work]


def finish(run: InMemoryRun, node: str, n: int = 0) -> None:
    run.finish(number(run, node), Out(n=n))


@pytest.mark.feature("trycatch.try", "trycatch.catch.element", "trycatch.finally", "trycatch.after-catch")
def test_a_failure_goes_to_catch_then_finally_and_the_run_goes_on(run: Any) -> None:
    block = TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("a"), task("bad"), task("never")]

    ended = run(Sequence[block, task("after")], results={"bad": fails()})

    assert ended.status == "finished"
    assert ended.started == ["a", "bad", "handle", "clean", "after"]
    assert (ended.state("bad"), ended.state("handle")) == ("failed", "finished")


@pytest.mark.feature("trycatch.finally", "trycatch.mount-on-demand")
def test_without_a_failure_only_finally_runs_and_handlers_are_not_in_the_plan_before(run: Any) -> None:
    ended = run(TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("a")])

    assert (ended.status, ended.started) == ("finished", ["a", "clean"])
    fresh = start(TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("a"), task("b")])
    assert list(fresh.nodes) == ["a:", "b:"]


@pytest.mark.feature("trycatch.catch.function")
def test_catch_is_told_the_code_the_summary_and_the_node(run: Any) -> None:
    def handle(failure: Caught) -> Child:
        text = f"{failure.code} {failure.node}: {failure.summary}"
        return Task("handle", output=Out)[call(write, text)]

    ended = run(TryCatchFinally(catch=handle)[task("bad")], results={"bad": fails("it broke")})

    said = ended.output(Out, "handle").text
    assert said.startswith("TASK_FAILED bad: ")
    assert "it broke" in said


@pytest.mark.feature("trycatch.trigger")
def test_only_what_is_left_after_retries_is_caught_and_tolerated_failures_are_none(run: Any) -> None:
    block = TryCatchFinally(catch=task("handle"))[task("odd", continue_on_fail=True), task("bad", retries=2)]

    ended = run(block, results={"odd": fails(), "bad": [fails(), fails(), Out()]})

    assert (ended.status, ended.started) == ("finished", ["odd", "bad", "bad", "bad"])


@pytest.mark.feature("trycatch.catchErrors", "trycatch.catchErrors.miss")
@pytest.mark.parametrize(
    ("codes", "status", "began"),
    [(["MINE"], "finished", ["bad", "handle", "clean"]), (["OTHER"], "failed", ["bad", "clean"])],
)
def test_only_listed_codes_are_caught(run: Any, codes: list[str], status: str, began: list[str]) -> None:
    def bad() -> Out:
        raise NonRetryable("no", code="MINE")

    tree = TryCatchFinally(catch=task("handle"), catch_errors=codes, finally_=task("clean"))[
        Task("bad", output=Out)[bad]
    ]

    ended = run(tree)

    assert (ended.status, ended.started) == (status, began)


@pytest.mark.feature("trycatch.finally.catch-fails")
def test_finally_runs_after_a_catch_that_fails_and_its_failure_is_the_block_s(run: Any) -> None:
    block = TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("bad")]

    ended = run(block, results={"bad": fails("first"), "handle": fails("second")})

    assert (ended.status, ended.started) == ("failed", ["bad", "handle", "clean"])
    assert "second" in ended.error["message"]
    assert ended.error["node"] == "handle"


@pytest.mark.feature("trycatch.finally-only")
def test_without_catch_the_failure_goes_on_after_the_cleanup(run: Any) -> None:
    ended = run(Sequence[TryCatchFinally(finally_=task("clean"))[task("bad")], task("after")], results={"bad": fails()})

    assert (ended.status, ended.started, ended.error["node"]) == ("failed", ["bad", "clean"], "bad")


@pytest.mark.feature("trycatch.finally.error")
def test_a_failing_finally_fails_the_block_and_says_what_it_followed(run: Any) -> None:
    block = TryCatchFinally(finally_=task("clean"))[task("bad")]

    ended = run(block, results={"bad": fails("first"), "clean": fails("second")})

    assert (ended.status, ended.error["node"]) == ("failed", "clean")
    assert "second" in ended.error["message"]
    assert "first" in ended.error["message"]


@pytest.mark.feature("trycatch.nest")
def test_the_inner_block_handles_first_and_what_it_leaves_goes_outward(run: Any) -> None:
    inner = TryCatchFinally(id="in", catch=task("inner"), catch_errors=["OTHER"], finally_=task("clean"))[task("bad")]

    ended = run(TryCatchFinally(id="out", catch=task("outer"))[inner, task("never")], results={"bad": fails()})

    assert (ended.status, ended.started) == ("finished", ["bad", "clean", "outer"])


@pytest.mark.feature("trycatch.first-error")
def test_siblings_in_flight_finish_before_the_first_failure_is_handled(rebuild: bool) -> None:
    handled: list[str] = []

    def handle(failure: Caught) -> Child:
        handled.append(failure.node)
        return task("handle")

    run = start(TryCatchFinally(id="t", catch=handle)[Parallel[task("bad"), task("worse"), task("good")]], rebuild)
    fail(run, "worse")
    fail(run, "bad")
    assert at_work(run) == ["good"]
    finish(run, "good", 7)

    assert at_work(run) == ["handle"]
    assert set(handled) == {"bad"}, "the first in the order of the tree"
    assert run.output(Out, "good").n == 7
    finish(run, "handle")
    assert run.status == "finished"


@pytest.mark.feature("trycatch.finally.cancel")
def test_finally_runs_when_the_run_is_cancelled_and_catch_does_not(rebuild: bool) -> None:
    block = TryCatchFinally(catch=task("handle"), finally_=Sequence[task("c1"), task("c2")])
    run = start(Parallel[block[task("a"), task("b")], Sequence[task("beside"), task("never")]], rebuild)

    run.cancel("enough")
    assert {c.target for c in run.open.values() if c.kind == "cancel"} == {1, 2}
    run.cancelled(1)
    assert at_work(run) == ["beside", "c1"]
    run.finish(2, Out())
    finish(run, "c1")
    assert (run.status, at_work(run)) == ("running", ["c2"])
    finish(run, "c2")

    assert run.status == "cancelled"
    assert {key: row.state for key, row in run.nodes.items()} == {
        "a:": "cancelled",
        "b:": "cancelled",
        "beside:": "finished",
        "never:": "cancelled",
        "c1:": "finished",
        "c2:": "finished",
    }


@pytest.mark.feature("trycatch.finally.cancel")
def test_finally_runs_when_a_group_around_the_block_fails(rebuild: bool) -> None:
    block = TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("a"), Approval("ask", title="?")]
    run = start(Parallel[task("bad"), Sequence[block, task("after")]], rebuild)

    finish(run, "a")
    assert [row.node for row in run.waiting] == ["ask"]
    fail(run, "bad")
    assert (run.status, at_work(run), run.waiting) == ("running", ["clean"], [])
    finish(run, "clean")

    assert (run.status, run.error and run.error["node"]) == ("failed", "bad")
    assert run.nodes["after:"].state == "cancelled"


def test_a_block_that_has_not_begun_has_nothing_to_clean_up(rebuild: bool) -> None:
    block = TryCatchFinally(finally_=task("clean"))[task("b")]
    run = start(Sequence[task("a"), block], rebuild)

    run.cancel()
    run.cancelled(1)

    assert (run.status, "clean:" in run.nodes) == ("cancelled", False)


@pytest.mark.feature("trycatch.durable")
def test_what_was_caught_is_kept_though_the_tree_renders_differently_later() -> None:
    """The part that failed renders to nothing once the task beside it has an output; the catch goes on."""

    def tree(ctx: Context[Any]) -> Child:
        def shaky() -> Child:
            return None if ctx.output_maybe(Out, "beside") else task("bad")

        return Parallel[TryCatchFinally(id="t", catch=task("handle"))[shaky], task("beside")]

    run = start(tree, rebuild=True)
    fail(run, "bad")
    finish(run, "beside")
    assert at_work(run) == ["handle"]
    finish(run, "handle")

    assert run.status == "finished"


@pytest.mark.feature("trycatch.id", "trycatch.nest")
def test_blocks_in_loops_begin_anew_in_every_pass(run: Any) -> None:
    block = TryCatchFinally(catch=task("handle"), finally_=task("clean"))[task("a")]

    ended = run(Loop("l", until=False, max_iterations=2)[block], results={"a": [fails(), Out()]})

    assert (ended.status, ended.started) == ("finished", ["a:0", "handle:0", "clean:0", "a:1", "clean:1"])


@pytest.mark.feature("loop.onMaxReached.fail", "trycatch.catchErrors")
def test_a_loop_that_fails_inside_is_caught(run: Any) -> None:
    loop = Loop("l", until=False, max_iterations=2, on_max_reached="fail")[task("a")]
    block = TryCatchFinally(catch=task("handle"), catch_errors=["LOOP_MAX_REACHED"])[loop]

    ended = run(block)

    assert (ended.status, ended.started) == ("finished", ["a:0", "a:1", "handle"])


@pytest.mark.feature("trycatch.skipIf")
def test_a_skipped_block_is_not_there(run: Any) -> None:
    ended = run(Sequence[TryCatchFinally(skip_if=True, finally_=task("clean"))[task("a")], task("after")])

    assert (ended.status, ended.started) == ("finished", ["after"])


@pytest.mark.feature("trycatch.after-catch")
def test_who_needs_an_output_that_a_caught_failure_took_away_is_skipped(run: Any) -> None:
    block = TryCatchFinally(catch=task("handle"))[task("bad"), task("never")]
    needy = Task("needy", output=Out, deps={"never": Out})[lambda never: work()]

    ended = run(Sequence[block, needy, task("after")], results={"bad": fails()})

    assert (ended.status, ended.state("needy")) == ("finished", "skipped")
    assert ended.started == ["bad", "handle", "after"]


def test_a_resumed_run_goes_on_in_try_and_cleans_up_once_more(rebuild: bool) -> None:
    run = start(Sequence[TryCatchFinally(finally_=task("clean"))[task("a"), task("bad")], task("after")], rebuild)
    finish(run, "a")
    fail(run, "bad")
    finish(run, "clean")
    assert run.status == "failed"

    run.resume()
    assert [(c.node, c.iteration, c.attempt) for c in run.work] == [("bad", "", 2)]
    finish(run, "bad")
    assert [(c.node, c.iteration) for c in run.work] == [("clean", "1")]
    finish(run, "clean")
    finish(run, "after")
    assert run.status == "finished"


def test_a_resumed_run_whose_cleanup_failed_goes_on_with_the_cleanup(rebuild: bool) -> None:
    run = start(Sequence[TryCatchFinally(finally_=task("clean"))[task("a")], task("after")], rebuild)
    finish(run, "a")
    fail(run, "clean")
    assert run.status == "failed"

    run.resume()
    assert [(c.node, c.iteration, c.attempt) for c in run.work] == [("clean", "", 2)]
    finish(run, "clean")
    finish(run, "after")
    assert run.status == "finished"


@pytest.mark.feature("trycatch.id", "saga.id")
def test_a_block_without_an_id_is_named_after_the_first_node_in_it() -> None:
    assert TryCatchFinally(catch=task("c"))[Sequence[task("first")]].name == "first:trycatchfinally"
    assert Saga[SagaStep("s")[task("first")]].name == "s:saga"
    with pytest.raises(InvalidElement, match=r"begins with a function, so it needs an id .*test_try_catch_finally"):
        TryCatchFinally(catch=task("c"))[lambda: task("a")]


@pytest.mark.feature("trycatch.id", "saga.id")
@pytest.mark.parametrize("block", [TryCatchFinally, Saga, Race])
def test_the_id_of_a_block_names_it_or_is_refused(block: Any) -> None:
    assert block(id="mine")[SagaStep("s")[task("a")] if block is Saga else task("a")].name == "mine"
    with pytest.raises(InvalidElement, match=rf"{block.__name__}\('a b'\): an id is .*test_try_catch_finally"):
        block(id="a b")


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"catch_errors": ["A"]}, "there is no `catch`"),
        ({"catch_errors": "A", "catch": task("c")}, "give a list of error codes"),
        ({"catch": "text"}, "as a child"),
        ({"id": "a b"}, "an id is"),
    ],
)
def test_blocks_that_make_no_sense_are_refused_where_they_are_written(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidElement, match=message):
        TryCatchFinally(**props)
