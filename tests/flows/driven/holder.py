"""A task that holds the interpreter for a minute, the first time it is run."""

import ctypes
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Task, TaskContext, call, workflow


class Given(BaseModel):
    folder: str


class Out(BaseModel):
    n: int


def work(folder: str, context: TaskContext) -> Out:
    with (Path(folder) / "ran").open("a") as file:
        file.write(f"{context.delivery}\n")
    if context.delivery == 1:
        ctypes.PyDLL(None).sleep(60)  # calls through PyDLL keep the interpreter's lock
    return Out(n=1)


@workflow(input=Given)
def holder(ctx: Context[Given]) -> Child:
    return Task("hold", output=Out)[call(work, ctx.input.folder)]
