"""A person is asked, a timer runs, then a task."""

from pathlib import Path

from pydantic import BaseModel

from smithers import Approval, Child, Context, Sequence, Task, Timer, call, workflow


class Given(BaseModel):
    folder: str
    pause: str = "100ms"


class Out(BaseModel):
    n: int


def work(folder: str) -> Out:
    (Path(folder) / "ran").write_text("after\n")
    return Out(n=1)


@workflow(input=Given)
def asking(ctx: Context[Given]) -> Child:
    return Sequence[
        Approval("ok", title="Go on?"),
        Timer("pause", duration=ctx.input.pause),
        Task("after", output=Out)[call(work, ctx.input.folder)],
    ]
