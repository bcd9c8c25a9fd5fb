"""Tasks of the queue `q`, which say from when to when they ran; and one beside them that is in no queue."""

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Parallel, Queue, Task, TaskContext, call, workflow


class Given(BaseModel):
    folder: str
    name: str
    n: int = 1
    limit: int = 1
    seconds: float = 0.0
    gated: bool = False
    """Wait for a file before they end."""
    beside: bool = False


class Out(BaseModel):
    n: int


def work(given: Given, context: TaskContext) -> Out:
    begun = time.time_ns()
    while given.gated and not (Path(given.folder) / "go").exists():
        context.raise_if_cancelled()
        time.sleep(0.005)
    time.sleep(given.seconds)
    with (Path(given.folder) / "spans").open("a") as file:
        file.write(f"{given.name} {begun} {time.time_ns()}\n")
    return Out(n=1)


def nothing() -> Out:
    return Out(n=0)


@workflow(input=Given)
def queued(ctx: Context[Given]) -> Child:
    given = ctx.input
    queue = Queue("q", given.limit)
    tasks = [Task(f"t{i}", output=Out, queue=queue)[call(work, given)] for i in range(given.n)]
    return Parallel[tasks, Task("beside", output=Out)[nothing] if given.beside else None]
