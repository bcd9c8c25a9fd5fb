"""One task in an endless loop, until it has been done often enough."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, Loop, Task, call, workflow
from smithers.flow.loop import Turn


class Size(BaseModel):
    count: int


class Found(BaseModel):
    number: int


def look(number: int) -> Found:
    return Found(number=number)


@workflow(input=Size)
def poller(ctx: Context[Size]) -> Child:
    def enough() -> bool:
        found = ctx.latest(Found, "look")
        return found is not None and found.number + 1 >= ctx.input.count

    def once(turn: Turn) -> Child:
        return Task("look", output=Found)[call(look, turn.iteration)]

    return Loop("poll", until=enough, max_iterations=None)[once]
