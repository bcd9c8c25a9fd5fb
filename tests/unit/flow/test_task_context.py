from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smithers.errors import BudgetExceeded, InputError, TaskCancelled, TaskTimeout
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Meter, Usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Sink:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, stream: str, text: str, /) -> None:
        self.lines.append((stream, text))


def make(now: datetime = NOON, deadline: datetime | None = None) -> tuple[TaskContext, Sink]:
    sink = Sink()
    context = TaskContext("r1", "build", "2.1", 1, 1, deadline, lambda: now, CancelFlag(), sink)
    return context, sink


@pytest.mark.feature("aspects.accumulator")
def test_each_report_of_usage_is_told_with_what_there_was_before_also_one_that_is_too_much() -> None:
    told: list[Usage] = []
    meter = Meter("build", 12, told.append)

    meter.add(Usage(10, 2))
    with pytest.raises(BudgetExceeded, match="has used 13 tokens; its Aspects give one task at most 12"):
        meter.add(Usage(0, 1))

    assert told == [Usage(10, 2), Usage(10, 3)]
    assert meter.total == Usage(10, 3)


@pytest.mark.feature("aspects.accumulator")
def test_reports_of_usage_add_up() -> None:
    context, _ = make()

    context.usage(input_tokens=10, output_tokens=2, cost_usd=0.1)
    context.usage(cost_usd=0.2)

    assert context.meter.total == Usage(10, 2, 300_000_000)


@pytest.mark.parametrize(
    "wrong", [{"input_tokens": -1}, {"output_tokens": 1.5}, {"cost_usd": -0.1}, {"cost_usd": float("nan")}]
)
def test_usage_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    context, _ = make()

    with pytest.raises(InputError, match=next(iter(wrong))):
        context.usage(**wrong)

    assert context.meter.total == Usage()


@pytest.mark.feature("exec.retry.idempotencykey")
def test_idempotency_key_names_run_node_and_iteration_only() -> None:
    context, _ = make()

    assert context.idempotency_key == "r1:build:2.1"


def test_time_left_comes_from_the_given_clock_and_is_never_negative() -> None:
    before, _ = make(NOON, NOON + timedelta(seconds=5))
    after, _ = make(NOON + timedelta(hours=1), NOON)
    without, _ = make()

    assert before.time_left() == timedelta(seconds=5)
    assert after.time_left() == timedelta()
    assert without.time_left() is None


@pytest.mark.feature("plan.exec.inputs")
def test_raise_if_cancelled_says_why() -> None:
    cancelled, _ = make()
    late, _ = make()
    fine, _ = make()
    cancelled.flag.set("cancel")
    late.flag.set("deadline")

    fine.raise_if_cancelled()
    with pytest.raises(TaskCancelled):
        cancelled.raise_if_cancelled()
    with pytest.raises(TaskTimeout):
        late.raise_if_cancelled()


def test_first_reason_stays() -> None:
    flag = CancelFlag()

    flag.set("deadline")
    flag.set("cancel")

    assert flag.reason == "deadline"


def test_callbacks_run_once_and_can_be_taken_back() -> None:
    flag = CancelFlag()
    called: list[str] = []
    flag.on_set(lambda: called.append("a"))
    forget = flag.on_set(lambda: called.append("b"))

    forget()
    flag.set()
    flag.set()
    flag.on_set(lambda: called.append("late"))()

    assert called == ["a", "late"]


@pytest.mark.feature("plan.exec.inputs")
def test_waiting_threads_wake_when_the_flag_is_set() -> None:
    flag = CancelFlag()
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(flag.wait(timedelta(seconds=10))))
    waiting.start()

    flag.set()
    waiting.join(10)

    assert woken == [True]


@pytest.mark.feature("plan.exec.inputs")
def test_coroutines_can_wait_for_the_flag() -> None:
    context, _ = make()

    async def body() -> None:
        waiting = asyncio.create_task(context.wait_cancelled())
        await asyncio.sleep(0)
        threading.Thread(target=context.flag.set).start()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(body())

    assert context.cancelled


def test_progress_takes_a_fraction_a_text_or_both() -> None:
    context, sink = make()

    context.progress(0.5)
    context.progress("halfway")
    context.progress(7, "too far")

    assert sink.lines == [("progress", "50%"), ("progress", "halfway"), ("progress", "100% too far")]


def test_log_lines_carry_their_level_and_survive_bad_arguments() -> None:
    context, sink = make()

    context.log.info("took %d s", 3)
    context.log.error("two\nlines")
    context.log.warning("%d items", "some")

    texts = [text for _, text in sink.lines]
    assert texts == ["INFO took 3 s", "ERROR two", "lines", "WARNING %d items ('some',)"]
