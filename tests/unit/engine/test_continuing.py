"""Runs that continue as new, in memory: when they do, what becomes of the rest, and what is carried."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Child,
    Context,
    ContinueAsNew,
    Sequence,
    Task,
    Workflow,
    call,
    continue_as_new,
)


class Out(BaseModel):
    n: int = 0


class Cursor(BaseModel):
    page: int = 0
    seen: list[str] = []


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


BOTH = pytest.mark.parametrize("rebuild", [False, True], ids=["warm", "cold"])


def paged(pages: int) -> Workflow[Any]:
    """Reads one page per run, and carries the next one's number on."""

    def render(ctx: Context[Any]) -> Child:
        at = ctx.carried(Cursor) or Cursor()

        def onward() -> Child:
            read = ctx.output(Out, "read")
            if read.n + 1 < pages:
                return continue_as_new(Cursor(page=read.n + 1, seen=[*at.seen, ctx.run_id]))
            return Task("sum", output=Out)[call(work, len(at.seen) + 1)]

        return Sequence[Task("read", output=Out)[call(work, at.page)], onward]

    return Workflow("paged", render, None)


@pytest.mark.feature(
    "continueasnew.element",
    "continueasnew.helper",
    "continueasnew.conditional",
    "continueasnew.auto-start",
    "continueasnew.status",
    "run.status.continued",
)
def test_a_chain_of_runs_goes_on_until_one_does_not_continue(run: Any) -> None:
    ended = run(paged(3).function)

    assert (ended.status, [one.status for one in ended.before]) == ("finished", ["continued", "continued"])
    assert ended.output(Out, "sum").n == 3
    assert ended.started == ["read", "read", "read", "sum"]


@pytest.mark.feature("continueasnew.stops-sequence")
def test_nothing_after_it_runs(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        return Sequence[task("before"), None if ctx.generation else ContinueAsNew(), task(f"after-{ctx.generation}")]

    ended = run(render)

    assert (ended.status, ended.started) == ("finished", ["before", "before", "after-1"])
