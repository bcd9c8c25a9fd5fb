"""The tools that authors test their workflows with."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Loop, Parallel, Sequence, Task, TaskContext, Timer, call, workflow
from smithers.engine.check import check_input
from smithers.errors import InputError, InvalidInput, InvalidOutput, RenderError
from smithers.testing import fails, simulate


class Number(BaseModel):
    n: int


class Start(BaseModel):
    first: int
    passes: int = 2


def add_one(number: Number) -> Number:
    print("adding to", number.n)
    return Number(n=number.n + 1)


def keyed(context: TaskContext) -> Number:
    context.log.info("attempt %d", context.attempt)
    return Number(n=len(context.idempotency_key))


@workflow(input=Start)
def counting(ctx: Context[Start]) -> Child:
    def grown() -> bool:
        last = ctx.latest(Number, "grow")
        return last is not None and last.n >= ctx.input.passes

    def fan() -> Child:
        count = ctx.output(Number, "last").n
        return Parallel[(Task(f"leaf-{i}", output=Number)[call(lambda i: Number(n=i), i)] for i in range(count))]

    return Sequence[
        Task("number", output=Number)[Number(n=ctx.input.first)],
        Task("last", output=Number, deps={"number": Number})[add_one],
        Loop("growing", until=grown)[lambda: Task("grow", output=Number)[call(Number, n=ctx.iteration + 1)]],
        fan,
        Timer("night", duration="8h"),
        Approval("ship", title="Ship it?"),
        Task("key", output=Number)[keyed],
    ]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_workflow_runs_to_its_end_in_memory(rebuild: bool) -> None:
    ended = simulate(counting, Start(first=1), decisions={"ship": True}, rebuild=rebuild)

    assert ended.status == "finished"
    assert ended.started == ["number", "last", "grow:0", "grow:1", "leaf-0", "leaf-1", "key"]
    assert ended.output(Number, "key").n == len("test:key:")
    assert ended.elapsed >= timedelta(hours=8)
    assert ended.lines == ["adding to 1", "INFO attempt 1"]


def test_an_unscripted_decision_is_waited_for() -> None:
    waiting = simulate(counting, {"first": 1})

    assert (waiting.status, waiting.waiting) == ("waiting-approval", ["ship"])
    assert waiting.state("key") == "pending"


def test_a_denial_fails_the_run_and_says_who() -> None:
    ended = simulate(counting, {"first": 1}, decisions={"ship": False})

    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "APPROVAL_DENIED"
    assert "tester denied 'Ship it?'" in ended.error["message"]


def test_scripted_results_stand_in_for_bodies_one_for_each_attempt() -> None:
    ended = simulate(
        counting, {"first": 1}, results={"last": [fails(), fails(), Number(n=1)]}, decisions={"ship": True}
    )

    assert ended.status == "finished"
    assert ended.started.count("last") == 3
    assert ended.started.count("leaf-0") == 1


def test_a_failure_that_is_not_retryable_ends_the_run_at_once() -> None:
    ended = simulate(counting, {"first": 1}, results={"last": fails("no", retryable=False)})

    assert (ended.status, ended.started.count("last")) == ("failed", 1)


@pytest.mark.feature("err.INVALID_INPUT", "ctx.input.validated")
def test_wrong_input_is_refused_as_the_command_line_refuses_it() -> None:
    with pytest.raises(InvalidInput, match=r"Unknown input key 'frist'.*did you mean 'first'"):
        simulate(counting, {"frist": 1})
    for given in ({"first": "many"}, [1]):
        with pytest.raises(InvalidInput) as caught:
            check_input(counting, given)
        assert caught.value.wire()["code"] == "INVALID_INPUT"


def test_what_up_would_refuse_is_refused() -> None:
    numbers = count()

    @workflow
    def unstable(ctx: Context[Any]) -> Child:
        return Task(f"t{next(numbers)}", output=Number)[Number(n=1)]

    @workflow
    def nothing(ctx: Context[Any]) -> Child:
        return None

    with pytest.raises(RenderError, match="changes at every render"):
        simulate(unstable)
    with pytest.raises(RenderError, match="empty tree"):
        simulate(nothing)


@workflow
def relay(ctx: Context[Any]) -> Child:
    return Sequence[
        Task("first", output=Number)[Number(n=1)],
        Task("second", output=Number, deps={"number": Number}, needs={"number": "first"})[add_one],
    ]


def test_a_scripted_result_is_held_against_the_tasks_model_as_a_bodys_is() -> None:
    assert simulate(relay, results={"first": {"n": "4"}}).output(Number, "second").n == 5
    with pytest.raises(InvalidOutput, match="'first' does not fit Number: n: got str 'four'"):
        simulate(relay, results={"first": {"n": "four"}})
    with pytest.raises(InvalidOutput, match="got Start, expected a Number"):
        simulate(relay, results={"second": Start(first=1)})
    with pytest.raises(InputError, match=r"results\['first'\] is an empty list"):
        simulate(relay, results={"first": []})


def test_a_script_for_a_misspelt_id_is_told_and_one_for_a_branch_not_taken_is_not() -> None:
    def tree(_: Context[Any]) -> Child:
        return Sequence[Task("fix-1", output=Number)[Number(n=1)], Task("build", output=Number)[Number(n=1)]]

    with pytest.warns(
        UserWarning, match=r"'bulid' is scripted, but no node had that id. Did you mean 'build'\?"
    ) as told:
        ended = simulate(workflow(tree), results={"fix-1": {"n": 2}, "fix-2": {"n": 2}, "bulid": {"n": 3}})

    assert (ended.status, ended.output(Number, "build").n, told[0].filename) == ("finished", 1, __file__)
    assert simulate(workflow(tree), results={"fix-1": {"n": 2}, "fix-2": {"n": 2}}).status == "finished"


def test_what_is_asked_for_and_not_there_is_named_with_what_is() -> None:
    ended = simulate(relay)

    with pytest.raises(KeyError, match=r"no output of .secnod.*: first; second"):
        ended.output(Number, "secnod")
    with pytest.raises(KeyError, match=r"no .first. in iteration .2.*: first; second"):
        ended.state("first", "2")
