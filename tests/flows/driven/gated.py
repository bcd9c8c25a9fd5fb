"""Tasks that say that they have begun, and wait for a file before they end; or until they are cancelled."""

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Parallel, Sequence, Task, TaskContext, call, workflow


class Given(BaseModel):
    folder: str
    n: int = 1
    isolated: bool = False


class Out(BaseModel):
    n: int


def gated(folder: str, n: int, context: TaskContext) -> Out:
    with (Path(folder) / "begun").open("a") as file:
        file.write(f"g{n}:{context.delivery}\n")
    while not (Path(folder) / "go").exists():
        context.raise_if_cancelled()
        time.sleep(0.005)
    return Out(n=n)


def last(folder: str) -> Out:
    (Path(folder) / "ran").write_text("last\n")
    return Out(n=0)


@workflow(input=Given)
def gate(ctx: Context[Given]) -> Child:
    given = ctx.input
    tasks = [Task(f"g{i}", output=Out, isolated=given.isolated)[call(gated, given.folder, i)] for i in range(given.n)]
    return Sequence[Parallel[tasks], Task("last", output=Out)[call(last, given.folder)]]
