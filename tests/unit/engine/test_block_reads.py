"""A block that waits for what is in flight in it goes on when that leaves the tree."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Loop, Parallel, Sequence, Task, TryCatchFinally, Workflow
from smithers.testing import InMemoryRun
from tests.unit.engine.trees import told

pytestmark = pytest.mark.decision("0004")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out(n=1)


def task(id: str) -> Child:
    return Task(id, output=Out, retries=0)[work]


def choice(ctx: Context[Any]) -> Child:
    """Shows another task once `x` is done."""

    def part() -> Child:
        return task("a") if ctx.output_maybe(Out, "x") is None else task("b")

    return part


def late(ctx: Context[Any]) -> Child:
    limit = Loop("limit", until=lambda turn: False, timeout="1m", on_timeout="continue")[
        Sequence[choice(ctx), Parallel[task("c")]]
    ]
    return Parallel[limit, task("x"), task("y")]


def numbers(run: InMemoryRun) -> dict[str, int]:
    return {command.node: command.n for command in run.work}


def lived(tree: Any, *, rebuild: bool) -> InMemoryRun:
    run = InMemoryRun(Workflow("late", tree, None), rebuild=rebuild)
    n = numbers(run)
    run.fire(n["limit:timeout"])
    run.finish(n["x"], Out(n=1))
    return run


def test_a_block_whose_time_is_over_does_not_wait_for_what_a_part_shows_no_more() -> None:
    warm, cold = lived(late, rebuild=False), lived(late, rebuild=True)
    assert told(warm) == told(cold)
    assert warm.planner.state.stages["limit:"]["end"] == "done"
    assert set(numbers(warm)) == {"a", "y"}


def ends_at_once(ctx: Context[Any]) -> Child:
    """A loop is over in the plan that begins it, and fails the group around a block that has to clean up."""
    loop = Loop("loop", until=lambda turn: False, max_iterations=2, on_max_reached="fail")[
        Task("skipped", output=Out, skip_if=True)[work]
    ]
    guard = TryCatchFinally(id="guard", finally_=task("cleanup"))[task("body")]
    return Parallel(fail_fast=True)[guard, loop]


def test_where_a_node_belongs_is_told_by_the_frame_that_shows_it() -> None:
    warm, cold = (InMemoryRun(Workflow("ends", ends_at_once, None), rebuild=rebuild) for rebuild in (False, True))
    for run in (warm, cold):
        while run.work:
            run.finish(run.work[0].n, Out(n=1))
    assert told(warm) == told(cold)
    assert warm.plans[0].frame["nodes"]["skipped:1"] == "skipped"
    assert warm.plans[0].frame["homes"]["skipped"] == "loop"
