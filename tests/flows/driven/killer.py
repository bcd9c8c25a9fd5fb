"""A task that ends its process, `deaths` times."""

import os
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Task, call, workflow


class Given(BaseModel):
    folder: str
    deaths: int = 1


class Out(BaseModel):
    n: int


def work(folder: str, deaths: int) -> Out:
    path = Path(folder) / "ran"
    with path.open("a") as file:
        file.write("begun\n")
    if len(path.read_text().splitlines()) <= deaths:
        os._exit(9)
    return Out(n=1)


@workflow(input=Given)
def killer(ctx: Context[Given]) -> Child:
    return Task("bomb", output=Out, retries=0)[call(work, ctx.input.folder, ctx.input.deaths)]
