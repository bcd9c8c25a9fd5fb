"""An event is waited for, then a task writes down what it said."""

from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Signal, Task, call, workflow


class Given(BaseModel):
    folder: str
    timeout: str = "1h"


class Paid(BaseModel):
    amount: int


def work(folder: str, paid: Paid) -> Paid:
    (Path(folder) / "ran").write_text(f"{paid.amount}\n")
    return paid


@workflow(input=Given)
def awaiting(ctx: Context[Given]) -> Child:
    return Sequence[
        Signal("paid", output=Paid, timeout=ctx.input.timeout)[
            lambda paid: Task("after", output=Paid)[call(work, ctx.input.folder, paid)]
        ]
    ]
