"""`n` tasks, one after another; each writes a line to a file when it runs."""

from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, call, workflow


class Given(BaseModel):
    folder: str
    n: int = 3


class Out(BaseModel):
    n: int


def work(folder: str, n: int) -> Out:
    with (Path(folder) / "ran").open("a") as file:
        file.write(f"t{n}\n")
    return Out(n=n)


@workflow(input=Given)
def sequence(ctx: Context[Given]) -> Child:
    return Sequence[[Task(f"t{i}", output=Out)[call(work, ctx.input.folder, i)] for i in range(ctx.input.n)]]
