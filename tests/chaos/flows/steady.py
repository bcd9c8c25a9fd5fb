"""Loops of tasks that do nothing: as many commits as a run can make, in a burst or side by side."""

from __future__ import annotations

import time

from pydantic import BaseModel

from smithers import Child, Context, Loop, Parallel, Sequence, Task, call, workflow


class Given(BaseModel):
    until: float
    """Since the epoch."""
    side_by_side: bool = False
    group: int = 20


class Out(BaseModel):
    number: int
    is_late: bool


def work(number: int, until: float) -> Out:
    return Out(number=number, is_late=time.time() >= until)


@workflow(input=Given)
def steady(ctx: Context[Given]) -> Child:
    given = ctx.input

    def is_over() -> bool:
        last = ctx.latest(Out, f"t{given.group - 1}")
        return last is not None and last.is_late

    tasks = [Task(f"t{one}", output=Out)[call(work, one, given.until)] for one in range(given.group)]
    body: Child = Parallel[tasks] if given.side_by_side else Sequence[tasks]
    return Loop("again", until=is_over, max_iterations=None)[body]
