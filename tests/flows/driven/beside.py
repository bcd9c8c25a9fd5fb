"""A task that holds the worker until a file is there, beside a question and a timer."""

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, TaskContext, Timer, call, workflow


class Given(BaseModel):
    folder: str


class Out(BaseModel):
    n: int = 0


def held(folder: str, context: TaskContext) -> Out:
    (Path(folder) / "begun").write_text("held\n")
    while not (Path(folder) / "go").exists():
        context.raise_if_cancelled()
        time.sleep(0.005)
    return Out()


@workflow(input=Given)
def beside(ctx: Context[Given]) -> Child:
    return Parallel[
        Task("held", output=Out)[call(held, ctx.input.folder)],
        Sequence[Approval("ok", title="Fine?"), Timer("short", duration="20ms"), Approval("again", title="Sure?")],
    ]
