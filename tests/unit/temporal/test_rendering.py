"""Rendering that fails, hangs or kills its process costs no fact, and the run waits for code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, call, workflow
from smithers.flow.workflow import AnyWorkflow
from smithers.store.records import Append
from tests.unit.temporal.conftest import CODE, Yard
from tests.unit.temporal.test_step import follow

pytestmark = pytest.mark.decision("0006")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


def breaking(trouble: Callable[[], None]) -> AnyWorkflow:
    """Its second part makes trouble once the first task has ended."""

    @workflow
    def breaks(ctx: Context[dict[str, int]]) -> Child:
        def second() -> Child:
            ctx.output(Out, "a")
            trouble()
            return Task("b", output=Out)[call(work, 2)]

        return Sequence[Task("a", output=Out)[call(work, 1)], second]

    return breaks


def raises() -> None:
    raise ZeroDivisionError("in the author's code")


def hangs() -> None:
    time.sleep(30)


def writes_nonsense() -> None:
    Task("a b", output=Out)


@pytest.mark.parametrize(
    ("trouble", "code"), [(raises, "RENDER_ERROR"), (hangs, "RENDER_TIMEOUT"), (writes_nonsense, "INVALID_ELEMENT")]
)
def test_the_fact_is_stored_alone_and_the_run_waits_for_code(
    yard: Yard, trouble: Callable[[], None], code: str
) -> None:
    yard = replace(yard, settings=replace(yard.settings, render_s=0.2)).keep_time()
    yard.start(breaking(trouble))
    yard.fetch()
    answer = yard.step(1)
    assert (answer.commands, answer.done, answer.elsewhere) == ((), "", False)
    assert yard.kinds() == ["started", "frame", "claim", "ended", "render_failed"]
    assert yard.entries("render_failed")[0].data["error"]["code"] == code
    assert yard.status() == "waiting-code"


def test_nonsense_that_is_written_in_a_run_is_stored_with_its_line(yard: Yard) -> None:
    yard.start(breaking(writes_nonsense))
    yard.fetch()
    yard.step(1)
    error = yard.entries("render_failed")[0].data["error"]
    line = writes_nonsense.__code__.co_firstlineno + 1
    assert error["where"] == f"{__file__}:{line}"
    assert error["where"] in error["message"]


def test_a_run_that_waits_for_code_is_not_rendered_again_and_again(yard: Yard) -> None:
    calls: list[int] = []

    def counted() -> None:
        calls.append(1)
        raises()

    yard.start(breaking(counted))
    yard.fetch()
    yard.step(1)
    before = len(calls)
    for _ in range(3):
        assert yard.fetch().commands == ()
        yard.step(1, attempt=2)
    assert len(calls) == before
    assert yard.bodies.names == ["a"]


def test_other_code_goes_on_from_the_stored_fact(yard: Yard) -> None:
    yard.start(breaking(raises))
    yard.fetch()
    yard.step(1)
    yard.hold(breaking(lambda: None), "e" * 64)
    yard.store.append(Append("r", (follow("e" * 64),)))
    answer = yard.fetch()
    assert [(command.n, command.kind) for command in answer.commands] == [(2, "run")]
    assert yard.bodies.names == ["a"]


def test_a_plan_that_takes_its_process_with_it_is_given_up_after_three(yard: Yard) -> None:
    yard.start(breaking(lambda: None))
    yard.fetch()
    yard.codes[CODE].together = die  # type: ignore[method-assign]
    with pytest.raises(ProcessDied):
        yard.step(1)
    for attempt in (2, 3, 4, 5):
        process = yard.again()
        process.codes[CODE].plan_all = die  # type: ignore[method-assign]
        try:
            answer = process.step(1, attempt=attempt)
        except ProcessDied:
            continue
        assert answer.commands == ()
    assert yard.entries("render_failed")[-1].data["error"]["code"] == "RENDER_DIED"
    assert len(yard.entries("ended")) == 1


class ProcessDied(BaseException):
    pass


def die(*_: object) -> object:
    raise ProcessDied
