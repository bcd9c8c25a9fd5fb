"""Workflows that the command line's tests show."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Approval, Context, Loop, Parallel, Sequence, Signal, Task, Timer, WaitForEvent, workflow


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


class Deploy(BaseModel):
    sha: str
    tries: int = 0


@workflow
def awaiting(ctx: Context[None]):
    return Sequence[
        WaitForEvent("deploy", event="deploy.completed", correlation_id="pr-7", output=Deploy, timeout="1h"),
        Signal("feedback", output=Deploy)[lambda feedback: Task("told", output=Text)[Text(text=feedback.sha)]],
    ]
