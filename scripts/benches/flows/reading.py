"""Tasks one after another, each of which reads the one before."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, call, workflow


class Size(BaseModel):
    count: int


class Number(BaseModel):
    number: int


def first() -> Number:
    return Number(number=0)


def after(before: Number) -> Number:
    return Number(number=before.number + 1)


@workflow(input=Size)
def reading(ctx: Context[Size]) -> Child:
    return Sequence[
        Task("t0", output=Number)[call(first)],
        (
            Task(f"t{number}", output=Number, deps={"before": Number}, needs={"before": f"t{number - 1}"})[after]
            for number in range(1, ctx.input.count)
        ),
    ]
