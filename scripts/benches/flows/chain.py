"""Tasks one after another that know nothing of each other."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, call, workflow


class Size(BaseModel):
    count: int


class Number(BaseModel):
    number: int


def same(number: int) -> Number:
    return Number(number=number)


@workflow(input=Size)
def chain(ctx: Context[Size]) -> Child:
    return Sequence[(Task(f"t{number}", output=Number)[call(same, number)] for number in range(ctx.input.count))]
