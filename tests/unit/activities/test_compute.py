from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, computed_field

from smithers import NonRetryable, Task, TaskContext, call
from smithers.errors import InvalidElement
from smithers.flow.body import TaskBody
from smithers.flow.policy import duration
from smithers.flow.task_context import CancelFlag
from smithers_activities.compute import Outcome, Stopped, perform


class Out(BaseModel):
    n: int = 0
    names: list[str] = []


class Plan(BaseModel):
    steps: list[str]


class Sink:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, stream: str, text: str, /) -> None:
        self.lines.append((stream, text))


def context_of(sink: Sink, task: Task[Any], flag: CancelFlag | None = None) -> TaskContext:
    deadline = None if task.timeout is None else now() + duration(task.timeout, "timeout")
    return TaskContext("r1", task.id, "", 2, 3, deadline, now, flag or CancelFlag(), sink)


def now() -> datetime:
    return datetime.now(UTC)


def ran(
    body: Any,
    *,
    sink: Sink | None = None,
    deps: Mapping[str, BaseModel] | None = None,
    flag: CancelFlag | None = None,
    **props: Any,
) -> Outcome:
    task: Task[Any] = Task("work", **{"output": Out, **props})[body]
    return perform(TaskBody(task, deps or {}), context_of(sink or Sink(), task, flag))


def code_of(outcome: Outcome) -> str:
    assert outcome.error is not None
    return outcome.error["code"]


@pytest.mark.feature("task.mode.compute", "task.mode.static", "task.compute.sync", "task.compute.async")
def test_sync_and_async_functions_and_static_values_give_their_output() -> None:
    async def later() -> Out:
        await asyncio.sleep(0)
        return Out(n=2)

    assert replace(ran(lambda: Out(n=1)), ms=0) == Outcome("finished", {"n": 1, "names": []})
    assert ran(later).output == {"n": 2, "names": []}
    assert ran(functools.partial(later)).output == {"n": 2, "names": []}
    assert ran(Out(n=3)).output == {"n": 3, "names": []}
    with pytest.raises(InvalidElement, match="is to produce Out, but its value is a Plan"):
        ran(Plan(steps=[]))


def test_a_sync_function_runs_in_the_calling_thread() -> None:
    seen: list[int] = []

    ran(lambda: seen.append(threading.get_ident()) or Out())

    assert seen == [threading.get_ident()]


def with_all(plan: Plan, name: str, task: TaskContext, *, count: int) -> Out:
    return Out(n=count, names=[*plan.steps, name, task.idempotency_key])


def union(task: TaskContext | None = None) -> Out:
    return Out(n=task.attempt if task else 0)


class Callme:
    def __call__(self, task: TaskContext) -> Out:
        return Out(n=task.delivery)

    def method(self, task: TaskContext) -> Out:
        return Out(n=task.attempt)


@pytest.mark.feature("plan.exec.inputs")
@pytest.mark.feature("exec.retry.idempotencykey")
def test_call_arguments_deps_and_context_meet_in_one_call() -> None:
    plan = {"plan": Plan(steps=["a"])}

    positional = ran(call(with_all, "x", count=1), deps=plan)
    named = ran(call(with_all, name="y", count=2), deps=plan)

    assert positional.output == {"n": 1, "names": ["a", "x", "r1:work:"]}
    assert named.output == {"n": 2, "names": ["a", "y", "r1:work:"]}


@pytest.mark.parametrize(
    ("body", "n"), [(union, 2), (Callme(), 3), (Callme().method, 2), (functools.partial(union), 2)]
)
@pytest.mark.feature("plan.exec.inputs")
def test_context_is_given_however_the_function_is_written(body: Callable[..., Out], n: int) -> None:
    assert ran(body).output == {"n": n, "names": []}


def test_calls_that_do_not_fit_name_the_function_and_are_not_retried() -> None:
    outcome = ran(with_all, deps={"paln": Plan(steps=[])})

    assert outcome.error is not None
    assert "unexpected keyword argument 'paln'" in outcome.error["message"]
    assert "Its deps give paln." in outcome.error["message"]
    assert outcome.error["retryable"] is False
    assert outcome.error["data"]["where"] == f"{__file__}:{with_all.__code__.co_firstlineno}"


@pytest.mark.feature("task.outputSchema.infer")
@pytest.mark.feature("exec.static.validate")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"n": "many"}, "n: got str 'many', expected a valid integer"),
        ({"n": 1, "names": [1, "b"]}, "names.0: got int 1, expected a valid string"),
        (None, r"got None \(is a `return` missing\?\), expected a Out"),
        (Plan(steps=[]), "got Plan, expected a Out"),
        ("text", "got str 'text', expected a valid dictionary or instance of Out"),
    ],
)
def test_output_that_does_not_fit_names_field_got_and_expected(value: object, message: str) -> None:
    outcome = ran(lambda: value)

    assert outcome.outcome == "failed"
    assert outcome.error is not None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(outcome.error["message"])
    assert outcome.error["retryable"] is False
    assert outcome.error["data"]["errors"][0].keys() == {"field", "got", "expected"}


def test_data_that_fits_is_taken_as_output() -> None:
    assert ran(lambda: {"n": "7", "ignored": 1}).output == {"n": 7, "names": []}


class Ratio(BaseModel):
    ratio: float


class Loose(BaseModel):
    value: Any


class Raw(BaseModel):
    data: bytes


class Written(BaseModel, extra="forbid"):
    @computed_field
    def area(self) -> int:
        return 1


@pytest.mark.feature("err.INVALID_OUTPUT")
@pytest.mark.parametrize(
    "hostile", [Ratio(ratio=float("nan")), Loose(value="half \ud83d"), Written(), Raw(data=b"\xff")]
)
def test_output_that_cannot_be_read_back_from_the_log_is_refused(hostile: BaseModel) -> None:
    outcome = ran(lambda: hostile, output=type(hostile))

    assert code_of(outcome) == "INVALID_OUTPUT"


def fail_with(error: BaseException) -> Callable[[], Out]:
    def body() -> Out:
        raise error

    return body


@pytest.mark.feature("task.compute.throw", "exec.compute.throw")
@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ValueError("flaky"), True),
        (AssertionError(), True),
        (OSError(5, "io"), True),
        (TypeError(), False),
        (NameError("x"), False),
        (AttributeError("x"), False),
        (ModuleNotFoundError("x"), False),
        (NotImplementedError(), False),
        (NonRetryable("no use"), False),
        (ExceptionGroup("several", [ValueError("a"), TypeError("b")]), False),
        (ExceptionGroup("several", [ValueError("a"), ValueError("b")]), True),
        (SystemExit(3), True),
        (asyncio.CancelledError(), True),
    ],
)
def test_only_errors_that_may_get_better_are_retryable(error: BaseException, retryable: bool) -> None:
    outcome = ran(fail_with(error))

    assert outcome.outcome == "failed"
    assert outcome.error is not None
    assert outcome.error["retryable"] is retryable


def helper() -> Out:
    return Out(n=int("no number"))


def test_errors_point_at_the_authors_line_and_leave_our_frames_out() -> None:
    outcome = ran(helper)

    assert outcome.error is not None
    line = helper.__code__.co_firstlineno + 1
    assert outcome.error["message"] == "ValueError: invalid literal for int() with base 10: 'no number'"
    assert outcome.error["code"] == "TASK_FAILED"
    assert outcome.error["data"]["type"] == "ValueError"
    assert outcome.error["data"]["where"] == f"{__file__}:{line}"
    assert "return Out(n=int(" in outcome.error["data"]["traceback"]
    assert "smithers_activities" not in outcome.error["data"]["traceback"]


def test_errors_inside_libraries_point_at_the_call() -> None:
    import json

    def body() -> Out:
        return Out(**json.loads("{"))

    error = ran(body).error

    assert error is not None
    assert error["data"]["where"] == f"{__file__}:{body.__code__.co_firstlineno + 1}"


def test_errors_of_the_platform_keep_code_and_data_as_json() -> None:
    error = ran(fail_with(NonRetryable("bad key", code="AUTH", hint=object(), ratio=float("nan")))).error

    assert error is not None
    assert (error["code"], error["message"]) == ("AUTH", "bad key")
    assert error["data"]["hint"].startswith("<object")
    assert error["data"]["ratio"] is None


def test_prints_logs_and_progress_go_to_the_sink_in_order() -> None:
    sink = Sink()

    def body(task: TaskContext) -> Out:
        print("one")
        task.log.info("two")
        task.progress(1.0)
        print("three", end="")
        return Out()

    ran(body, sink=sink)

    assert sink.lines == [("stdout", "one"), ("log", "INFO two"), ("progress", "100%"), ("stdout", "three")]


def test_a_body_sees_its_deadline() -> None:
    def body(task: TaskContext) -> Out:
        left = task.time_left()
        assert left is not None
        return Out(n=round(left.total_seconds()))

    assert ran(body, timeout="30s").output == {"n": 30, "names": []}


def late() -> CancelFlag:
    """A flag that is set soon, as whoever keeps the deadline does."""
    flag = CancelFlag()
    threading.Timer(0.05, flag.set, ("deadline",)).start()
    return flag


@pytest.mark.feature("task.timeoutMs")
@pytest.mark.feature("exec.compute.timeout", "err.TASK_TIMEOUT", "task.timeoutMs.compute")
@pytest.mark.parametrize("ending", ["value", "error", "raise_if_cancelled"])
def test_a_body_that_stops_at_its_deadline_has_timed_out_whatever_it_does_then(ending: str) -> None:
    def body(task: TaskContext) -> Out:
        task.flag.wait(timedelta(seconds=20))
        if ending == "raise_if_cancelled":
            task.raise_if_cancelled()
        return Out(n=1) if ending == "value" else Out(n="wrong")  # type: ignore[arg-type]

    outcome = ran(body, timeout="50ms", flag=late())

    assert code_of(outcome) == "TASK_TIMEOUT"
    assert outcome.error is not None
    assert outcome.error["retryable"] is True
    assert outcome.error["data"].items() >= {"node_id": "work", "attempt": 2, "timeout_ms": 50}.items()
    assert ("raised" in outcome.error["data"]) is (ending == "error")


def test_a_stop_that_is_thrown_before_its_reason_is_known_waits_for_it() -> None:
    outcome = ran(fail_with(Stopped()), timeout="50ms", flag=late())

    assert code_of(outcome) == "TASK_TIMEOUT"


def test_coroutines_are_cancelled_at_their_deadline() -> None:
    cleaned: list[str] = []

    async def body() -> Out:
        try:
            await asyncio.sleep(20)
        finally:
            cleaned.append("yes")
        return Out()

    outcome = ran(body, timeout="50ms", flag=late())

    assert code_of(outcome) == "TASK_TIMEOUT"
    assert cleaned == ["yes"]


@pytest.mark.feature("plan.exec.inputs")
@pytest.mark.parametrize("reason", ["cancel", "shutdown"])
def test_coroutines_are_cancelled_by_the_flag(reason: Any) -> None:
    flag = CancelFlag()

    async def body() -> Out:
        threading.Thread(target=flag.set, args=(reason,)).start()
        await asyncio.sleep(20)
        return Out()

    outcome = ran(body, flag=flag)

    assert outcome.outcome == "cancelled"
    assert outcome.error is not None
    assert outcome.error["data"]["reason"] == reason


def test_a_body_that_ends_well_in_spite_of_a_cancel_has_an_output() -> None:
    flag = CancelFlag()
    flag.set("cancel")

    assert ran(lambda: Out(n=1), flag=flag).outcome == "finished"
    assert ran(fail_with(ValueError()), flag=flag).outcome == "cancelled"


def test_time_is_measured() -> None:
    assert ran(lambda: time.sleep(0.02) or Out()).ms >= 20


def test_each_function_that_a_decorator_has_made_has_a_signature_of_its_own() -> None:
    def signed(function: Callable[..., Out]) -> Callable[..., Out]:
        def same(*args: Any, **kwargs: Any) -> Out:
            return function(*args, **kwargs)

        same.__signature__ = inspect.signature(function)
        return same

    def told(task: TaskContext) -> Out:
        return Out(names=[task.node_id])

    def plain() -> Out:
        return Out(n=1)

    assert ran(signed(told)).output == {"n": 0, "names": ["work"]}
    assert ran(signed(plain)).output == {"n": 1, "names": []}
