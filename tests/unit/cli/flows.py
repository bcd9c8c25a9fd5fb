"""Workflows that the command line's tests show."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Approval, Context, Loop, Parallel, Sequence, Task, Timer, workflow


class Text(BaseModel):
    text: str = ""


def work() -> Text:
    return Text(text="done")


@workflow
def release(ctx: Context[None]):
    return Sequence[
        Task("build", output=Text)[work],
        Approval("publish", title="Ship it?"),
        Task("tag", output=Text)[work],
    ]


@workflow
def two_gates(ctx: Context[None]):
    return Parallel[Approval("legal", title="Legal is fine?"), Approval("budget")]


@workflow
def polish(ctx: Context[None]):
    return Loop("rounds", until=lambda: ctx.iteration_count("review") >= 2)[Task("review", output=Text)[work]]


@workflow
def nap(ctx: Context[None]):
    return Sequence[Timer("sleep", duration="1h"), Task("after", output=Text)[work]]
