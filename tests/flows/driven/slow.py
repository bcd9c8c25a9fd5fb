"""`n` tasks side by side, each of which takes a while and says whose it was."""

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Parallel, Task, call, workflow


class Given(BaseModel):
    folder: str
    name: str
    n: int = 10
    seconds: float = 0.05


class Out(BaseModel):
    n: int


def work(folder: str, name: str, seconds: float) -> Out:
    time.sleep(seconds)
    with (Path(folder) / "ran").open("a") as file:
        file.write(f"{name}\n")
    return Out(n=1)


@workflow(input=Given)
def slow(ctx: Context[Given]) -> Child:
    given = ctx.input
    one = call(work, given.folder, given.name, given.seconds)
    return Parallel[(Task(f"t{n}", output=Out)[one] for n in range(given.n))]
