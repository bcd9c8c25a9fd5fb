"""`n` tasks side by side, then one that counts them."""

from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Parallel, Sequence, Task, call, workflow


class Given(BaseModel):
    folder: str
    n: int = 10


class Out(BaseModel):
    n: int


def work(folder: str, n: int) -> Out:
    with (Path(folder) / "ran").open("a") as file:
        file.write(f"p{n}\n")
    return Out(n=n)


@workflow(input=Given)
def fan(ctx: Context[Given]) -> Child:
    tasks = [Task(f"p{i}", output=Out)[call(work, ctx.input.folder, i)] for i in range(ctx.input.n)]
    return Sequence[Parallel[tasks], Task("last", output=Out)[call(work, ctx.input.folder, ctx.input.n)]]
