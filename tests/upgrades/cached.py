"""The workflow of the recorded stores that have a cache of outputs. Its digest stands in them: it is not edited."""

from pathlib import Path

from pydantic import BaseModel

from smithers import Approval, CachePolicy, Child, Context, Sequence, Task, call, workflow

HERE = Path(__file__).parent


class Given(BaseModel):
    run: str


class Out(BaseModel):
    n: int


def work(run: str, n: int) -> Out:
    with (HERE / "ran").open("a") as file:
        file.write(f"{run}:c{n}\n")
    return Out(n=n)


def same(input: Given) -> str:  # the name says what it is given
    return "the same for all runs"


@workflow(input=Given)
def cached(ctx: Context[Given]) -> Child:
    run = ctx.input.run
    return Sequence[
        Task("c0", output=Out, cache=CachePolicy(by=same, version="1"))[call(work, run, 0)],
        Approval("ok", title="Go on?"),
        Task("c1", output=Out)[call(work, run, 1)],
    ]
