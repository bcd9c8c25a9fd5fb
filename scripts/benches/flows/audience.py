"""Waits for one event after another; after each, one task says when it began."""

from __future__ import annotations

import time

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, WaitForEvent, workflow


class Show(BaseModel):
    count: int


class Nothing(BaseModel):
    pass


class Moment(BaseModel):
    seconds: float


def now() -> Moment:
    return Moment(seconds=time.time())


@workflow(input=Show)
def audience(ctx: Context[Show]) -> Child:
    return Sequence[
        (
            (WaitForEvent(f"wait{one}", event=f"go{one}", output=Nothing), Task(f"then{one}", output=Moment)[now])
            for one in range(ctx.input.count)
        )
    ]
