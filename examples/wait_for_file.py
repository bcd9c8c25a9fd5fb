"""Looks for a file until it is there, for as long as that takes: after some looks the run continues as new.

Run it with `smithers up examples/wait_for_file.py --input '{"path": "done.txt"}'`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from smithers import Child, Context, ContinueAsNew, Loop, Sequence, Task, Timer, call, workflow


class Wanted(BaseModel):
    path: str = "done.txt"
    every: str = "2s"
    looks: int = Field(default=100, ge=1)
    """So many in one run: its log has an end, and old runs can be deleted."""


class Looked(BaseModel):
    times: int
    bytes: int | None = None
    """Of the file; None while there is none."""


def look(path: str, before: int) -> Looked:
    file = Path(path)
    return Looked(times=before + 1, bytes=file.stat().st_size if file.exists() else None)


@workflow(input=Wanted)
def wait_for_file(ctx: Context[Wanted]) -> Child:
    wanted, carried = ctx.input, ctx.carried(Looked) or Looked(times=0)

    def last() -> Looked:
        return ctx.latest(Looked, "look") or carried

    def is_there() -> bool:
        return last().bytes is not None

    def onward() -> Child:
        return None if is_there() else ContinueAsNew(last())

    looking = Sequence[
        Task("look", output=Looked)[call(look, wanted.path, last().times)],
        lambda: None if ctx.output(Looked, "look").bytes is not None else Timer("pause", duration=wanted.every),
    ]
    return Sequence[Loop("looks", until=is_there, max_iterations=wanted.looks)[looking], onward]
