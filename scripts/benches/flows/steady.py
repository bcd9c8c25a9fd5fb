"""A long run that shows each step it takes in a file outside."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, call, workflow


class Work(BaseModel):
    count: int
    shown: str
    """A file that each task adds a line to."""
    each_s: float = 0.01


class Line(BaseModel):
    number: int


def work(number: int, shown: str, each_s: float) -> Line:
    with Path(shown).open("a") as file:
        file.write(f"{time.time():.6f} {number}\n")
    time.sleep(each_s)
    return Line(number=number)


@workflow(input=Work)
def steady(ctx: Context[Work]) -> Child:
    given = ctx.input
    return Sequence[
        (Task(f"t{one}", output=Line)[call(work, one, given.shown, given.each_s)] for one in range(given.count))
    ]
