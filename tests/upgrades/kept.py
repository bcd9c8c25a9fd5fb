"""The workflow of the recorded stores. Its digest stands in them: an edit makes them useless, so it is not edited."""

import time
from pathlib import Path

from pydantic import BaseModel

from smithers import Approval, Child, Context, Sequence, Task, call, workflow

HERE = Path(__file__).parent


class Given(BaseModel):
    run: str
    asks: bool = False
    waits: bool = False
    text: str = ""


class Out(BaseModel):
    n: int
    text: str = ""


def work(run: str, n: int, waits: bool, text: str) -> Out:
    """Says that it runs. Where it waits, it ends when there is a file `go`."""
    with (HERE / "ran").open("a") as file:
        file.write(f"{run}:t{n}\n")
    while waits and not (HERE / "go").exists():
        time.sleep(0.01)
    return Out(n=n, text=text)


@workflow(input=Given)
def kept(ctx: Context[Given]) -> Child:
    given = ctx.input

    def told() -> Child:
        done = ctx.output(Out, "t1")
        return Task("t2", output=Out)[call(work, given.run, done.n + 1, False, "")]

    return Sequence[
        Task("t0", output=Out)[call(work, given.run, 0, False, given.text)],
        Task("t1", output=Out)[call(work, given.run, 1, given.waits, "")],
        [Approval("ok", title="Go on?")] if given.asks else [],
        told,
    ]
