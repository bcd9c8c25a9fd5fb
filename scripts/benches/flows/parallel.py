"""Tasks at the same time, a hundred at most."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, Parallel, Task, call, workflow


class Size(BaseModel):
    count: int
    cap: int = 100


class Number(BaseModel):
    number: int


def same(number: int) -> Number:
    return Number(number=number)


@workflow(input=Size)
def parallel(ctx: Context[Size]) -> Child:
    return Parallel(max_concurrency=ctx.input.cap)[
        (Task(f"t{number}", output=Number)[call(same, number)] for number in range(ctx.input.count))
    ]
