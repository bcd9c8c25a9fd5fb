"""One workflow for three kinds of run, so that one worker has them all: questions to a person, short and long work."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, TaskContext, call, workflow


class Day(BaseModel):
    kind: Literal["questions", "short", "long"]
    count: int


class Moment(BaseModel):
    seconds: float


def now() -> Moment:
    """When the first line of a body runs."""
    return Moment(seconds=time.time())


def short(number: int) -> Moment:
    return Moment(seconds=number)


async def long(task: TaskContext) -> Moment:
    await task.wait_cancelled()
    return now()


@workflow(input=Day)
def office(ctx: Context[Day]) -> Child:
    numbers = range(ctx.input.count)
    if ctx.input.kind == "short":
        return Sequence[(Task(f"t{one}", output=Moment)[call(short, one)] for one in numbers)]
    if ctx.input.kind == "long":
        return Parallel[(Task(f"long{one}", output=Moment)[long] for one in numbers)]
    return Sequence[((Approval(f"ask{one}"), Task(f"then{one}", output=Moment)[now]) for one in numbers)]
