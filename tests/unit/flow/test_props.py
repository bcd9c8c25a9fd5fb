"""Properties that an element does not have, needs, or contradicts itself with are refused where they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

import smithers
from smithers import (
    UNLIMITED,
    Loop,
    RetryPolicy,
    Sequence,
    Signal,
    Task,
    Timer,
    WaitForEvent,
)
from smithers.errors import InvalidElement, WrongProperty
from smithers.flow.policy import duration

wrong: Any = smithers
"""A type checker sees what is wrong here; who writes without one is told at run time."""


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


async def later() -> bool:
    return True


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: wrong.Task("a", output=Out, retrys=3), "Task('a') has no property 'retrys': did you mean 'retry'?"),
        (lambda: wrong.Task("a", output=Out, dependsOn=["b"]), "did you mean 'depends_on'?"),
        (lambda: wrong.Task("a", output=Out, continueOnFail=True), "did you mean 'continue_on_fail'?"),
        (lambda: wrong.Task("a", output=Out, timeoutMs=3), "did you mean 'timeout'?"),
        (lambda: wrong.Approval("a", onDeny="skip"), "did you mean 'on_deny'?"),
        (lambda: wrong.Sequence(skipIf=True)[work], "Sequence has no property 'skipIf': did you mean 'skip_if'?"),
        (lambda: wrong.MergeQueue(maxConcurrency=2), "did you mean 'max_concurrency'?"),
        (lambda: wrong.Saga(zzz=1), "it has id, skip_if, on_failure, steps"),
        (lambda: wrong.Sequence("a"), "Sequence got 1 values without a name, but takes 0"),
        (lambda: wrong.Task("a", Out), "Task got 2 values without a name, but takes 1 (id)"),
        (lambda: wrong.Loop("l"), "Loop('l') is missing its until: write Loop(until=...)"),
        (lambda: wrong.HumanTask("h", output=Out), "HumanTask('h') is missing its prompt"),
    ],
)
def test_unknown_and_missing_properties_are_named_with_the_nearest(write: Any, says: str) -> None:
    with pytest.raises(WrongProperty) as refused:
        write()

    assert says in refused.value.message
    assert refused.value.data["where"].startswith(f"{__file__}:")
    assert refused.value.message.endswith(f"({refused.value.data['where']}).")


@pytest.mark.feature("timer.every", "timer.no-async", "timer.no-output")
@pytest.mark.parametrize(
    ("prop", "says"), [("every", "a timer fires once"), ("async_", "no property 'async_'"), ("output", "no property")]
)
def test_a_timer_neither_recurs_nor_stands_aside_nor_writes_anything(prop: str, says: str) -> None:
    with pytest.raises(InvalidElement, match=says):
        wrong.Timer("t", duration="1s", **{prop: Out})


@pytest.mark.feature("task.id.required", "task.output.missing", "task.output", "timer.id", "approval.id")
@pytest.mark.parametrize(
    ("write", "code", "says"),
    [
        (lambda: wrong.Task(output=Out), "TASK_ID_REQUIRED", 'Task is missing its id: write Task("...")'),
        (lambda: wrong.Task("a"), "TASK_MISSING_OUTPUT", "Task('a') is missing its output: write Task(output=...)"),
        (lambda: wrong.Task(3, output=Out), "INVALID_ELEMENT", "Task(3): an id is 1 to 200"),
        (lambda: wrong.Timer(duration="1s"), "INVALID_ELEMENT", "Timer is missing its id"),
        (lambda: wrong.Approval(title="?"), "INVALID_ELEMENT", "Approval is missing its id"),
        (lambda: wrong.Approval(""), "INVALID_ELEMENT", "an id is 1 to 200"),
    ],
)
def test_an_id_and_an_output_are_required(write: Any, code: str, says: str) -> None:
    with pytest.raises(InvalidElement) as refused:
        write()

    assert says in refused.value.message
    assert refused.value.wire()["code"] == code


@pytest.mark.feature("timer.xor")
@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: wrong.Task("a", output=Out, no_retry=True, retries=2), "no_retry contradicts retries=2"),
        (lambda: wrong.Task("a", output=Out, retries="3"), "retries='3'"),
        (lambda: wrong.Task("a", output=Out, retries=True), "retries=True"),
        (lambda: wrong.Task("a", output=Out, retry="fixed"), "give a RetryPolicy"),
        (lambda: wrong.Task("a", output=Out, timeout=30), "timeout=30 has no unit"),
        (lambda: wrong.Task("a", output=Out, timeout="0s"), "leaves no time at all"),
        (lambda: wrong.Task("a", output=Out, timeout=timedelta(seconds=-1)), "is negative"),
        (lambda: wrong.Task("a", output=Out, async_=True), "needs needs_approval=True"),
        (lambda: wrong.Task("a", output=Out, depends_on="build"), "give a list of ids"),
        (lambda: wrong.Task("a", output=Out, depends_on=[""]), "depends on ''"),
        (lambda: wrong.Task("a", output=Out, needs=["build"]), "give names with ids"),
        (lambda: wrong.Task("a", output=Out, needs={"b": 3}), "depends on 3"),
        (lambda: wrong.Task("a", output=Out, deps={"b": "Out"}), "deps['b']='Out' is not a pydantic model"),
        (lambda: wrong.Task("a", output=Out, meta={"x": {1, 2}}), "meta is not JSON"),
        (lambda: wrong.Task("a", output=Out, meta={"x": float("nan")}), "meta is not JSON"),
        (lambda: wrong.WaitForEvent("w", event="e", output=Out, depends_on="abc"), "give a list of ids"),
        (lambda: wrong.Timer("t"), "give either duration or until"),
        (lambda: wrong.Timer("t", duration="1s", until=datetime.now(UTC)), "give either duration or until"),
        (lambda: wrong.Timer("t", duration="1 fortnight"), "is not a duration"),
        (lambda: wrong.Timer("t", until="tomorrow"), "is not a time"),
        (lambda: wrong.Timer("t", until="2027-01-31T09:00:00"), "has no time zone"),
        (lambda: wrong.Timer("t", until="9999-12-31T23:59:59Z"), "in the years 1970 to 9998"),
        (lambda: wrong.Timer("t", until=datetime.max.replace(tzinfo=UTC)), "in the years 1970 to 9998"),
        (lambda: wrong.Timer("t", until=datetime.min.replace(tzinfo=UTC)), "in the years 1970 to 9998"),
        (lambda: wrong.Timer("t", until=3), "give a datetime with a time zone"),
        (lambda: wrong.RetryPolicy("sometimes"), "use one of fixed, linear, exponential"),
        (lambda: wrong.RetryPolicy(jitter=2), "0 to 1"),
        (lambda: wrong.Loop("l", until="done")[work], "give a function, True or False"),
        (lambda: wrong.Loop(until=True)[work], "needs an id of its own"),
        (lambda: wrong.Loop("l", until=True, max_iterations="3"), "give 1 or more, or None"),
        (lambda: wrong.Parallel(max_concurrency="2"), "Parallel(max_concurrency='2'): give 1 or more"),
        (lambda: wrong.Parallel(max_concurrency=1.5), "Parallel(max_concurrency=1.5)"),
        (lambda: wrong.Parallel(fail_fast="no"), "Parallel: fail_fast='no': give True or False"),
        (lambda: wrong.Task("a", output=Out, label=5), "Task('a'): label=5: give a text"),
        (lambda: wrong.Task("a", output=Out, skip_if=lambda: True), "not called and would always count as true"),
        (lambda: wrong.Task("a", output=Out, continue_on_fail="yes"), "continue_on_fail='yes': give True or False"),
        (lambda: wrong.Approval("a", title=5), "Approval('a'): title=5: give a text"),
        (lambda: wrong.Approval("a", quorum=2.0), "quorum=2.0"),
        (lambda: wrong.Approval("a", quorum="2"), "quorum='2'"),
        (lambda: wrong.Approval("a", auto_approve=True), "write AutoApprove(after=3)"),
        (lambda: wrong.Approval("a", mode="select", options="xy"), "options='xy': give a list of keys"),
        (lambda: wrong.AutoApprove(after="3"), "AutoApprove(after='3')"),
        (wrong.AutoApprove, "never approves"),
        (lambda: wrong.AutoApprove(condition="x"), "give True or False, or a function"),
        (lambda: wrong.AutoApprove(condition=later), "is an async function"),
        (lambda: wrong.HumanTask("a", output=Out, prompt="?", max_attempts="3"), "max_attempts='3'"),
        (lambda: wrong.ForEach("f", items=None), "ForEach('f'): items=None"),
        (lambda: wrong.ForEach("f", items=[1], key="id"), "key='id': give a function"),
        (lambda: wrong.RetryPolicy(initialDelay="1s"), "did you mean 'initial_delay'?"),
        (lambda: wrong.RetryPolicy(jitter="x"), "jitter='x': give a number"),
        (lambda: wrong.RetryPolicy(initial_delay="10m"), "is more than max_delay, 0:05:00"),
        (lambda: wrong.Timer("t", duration="40000d"), "more than a hundred years"),
        (lambda: wrong.Timer("t", duration="99999999999999d"), "more than a hundred years"),
        (lambda: wrong.Task("a", output=Out, timeout=timedelta.max), "more than a hundred years"),
        (lambda: wrong.Loop("l", until=later), "until is an async function"),
        (lambda: wrong.Branch(work, then=None), "Branch: its condition is <function work"),
        (lambda: wrong.Branch(True, then=None, skip_if=work), "Branch: skip_if is <function"),
        (lambda: wrong.Rule(when=work, then=None), "Rule: when is <function"),
        (lambda: wrong.DecisionTable([], skip_if=work), "DecisionTable: skip_if is <function"),
        (lambda: wrong.ApprovalGate("g", when=work), "ApprovalGate('g'): when is <function"),
        (lambda: wrong.Sequence[later], "A child of Sequence is an async function"),
        (lambda: wrong.Sequence[later()], "Sequence got a coroutine as a child"),
        (lambda: wrong.workflow(later), "A workflow is an async function"),
    ],
)
def test_values_that_make_no_sense_are_refused(write: Any, says: str) -> None:
    with pytest.raises(InvalidElement) as refused:
        write()

    assert says in refused.value.message
    assert __file__ in refused.value.message


GATE_HAS_NOT = ("mode", "async_", "depends_on", "needs", "label", "meta", "cache")


@pytest.mark.feature("approvalgate.no-mode")
@pytest.mark.parametrize("prop", GATE_HAS_NOT)
def test_a_gate_asks_yes_or_no_and_nothing_else(prop: str) -> None:
    with pytest.raises(TypeError, match=prop):
        wrong.ApprovalGate("g", when=True, **{prop: "x"})


@pytest.mark.feature("task.noRetry", "props.task.noretry")
def test_no_retry_is_the_same_as_no_retries() -> None:
    assert Task("a", output=Out, no_retry=True)[work].retries == 0
    assert Task("a", output=Out, retries=UNLIMITED).retries == UNLIMITED


@pytest.mark.feature(
    "task.retryPolicy.default", "task.retryPolicy.fixed", "task.retryPolicy.linear", "common.retry-policy"
)
@pytest.mark.feature("props.task.retrypolicy")
@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(), [1000, 2000, 4000, 8000]),
        (RetryPolicy("fixed", "2s"), [2000, 2000, 2000, 2000]),
        (RetryPolicy("linear", "500ms"), [500, 1000, 1500, 2000]),
        (RetryPolicy("exponential", "1m", max_delay="3m"), [60_000, 120_000, 180_000, 180_000]),
    ],
)
def test_the_wait_before_a_retry_follows_its_policy(policy: RetryPolicy, delays: list[int]) -> None:
    assert [policy.delay_ms(failures, 0) for failures in (1, 2, 3, 4)] == delays
    assert policy.delay_ms(1, 1) == pytest.approx(delays[0] * 1.1)


@pytest.mark.feature("timer.duration", "timer.until")
def test_times_are_read_as_text_or_as_pythons_own() -> None:
    noon = datetime(2027, 1, 31, 12, tzinfo=UTC)

    assert Timer("t", until="2027-01-31T13:00:00+01:00").due_ms == Timer("t", until=noon).due_ms
    assert Timer("t", until="2027-01-31T12:00:00Z").until == noon
    assert Timer("t", duration=timedelta(hours=2)).duration == timedelta(hours=2)
    assert [duration(text, "duration") for text in ("2h", "500ms")] == [timedelta(hours=2), timedelta(milliseconds=500)]


@pytest.mark.feature("loop.id", "props.loop.id", "props.loop.autoid")
def test_a_loop_without_an_id_is_named_after_the_first_node_in_it() -> None:
    plain = Loop(until=True)[Sequence[Task("a", output=Out)[work], Task("b", output=Out)[work]]]

    assert plain.id == Loop(until=True)[Task("a", output=Out)[work]].id == "a:loop"
    assert Loop(until=True)[plain].id == "a:loop:loop"
    assert Loop("mine", until=True)[plain].id == "mine"


@pytest.mark.feature("common.label", "timer.label")
def test_labels_have_defaults() -> None:
    assert Timer("nap", duration="1s").label == "timer:nap"
    assert Timer("nap", duration="1s", label="Sleep").label == "Sleep"
    assert WaitForEvent("w", event="paid", output=Out).label == "wait:paid"
    assert Signal("s", output=Out).label == "signal:s"
    assert Task("t", output=Out).label == ""


@pytest.mark.parametrize("prop", ["continue_as_new_every", "continueAsNewEvery"])
def test_a_loop_that_hands_over_is_shown_how(prop: str) -> None:
    with pytest.raises(WrongProperty, match=r"give the loop max_iterations, and put ContinueAsNew\(state\) behind it"):
        wrong.Loop("pages", until=False, **{prop: 100})
