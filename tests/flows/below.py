"""A workflow that others start. It leaves no lines: what its bodies do is in a log of its own."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, ContinueAsNew, Sequence, Task, WaitForEvent, call, workflow


class Below(BaseModel):
    waits: bool = False


class Counted(BaseModel):
    number: int


class Never(BaseModel):
    pass


def count(number: int) -> Counted:
    return Counted(number=number)


@workflow(input=Below)
def below(ctx: Context[Below]) -> Child:
    wait = WaitForEvent("never", event="never", output=Never) if ctx.input.waits else None
    return Sequence[Task("one", output=Counted)[call(count, 1)], wait, Task("two", output=Counted)[call(count, 2)]]


@workflow
def onward(ctx: Context[dict[str, object]]) -> Child:
    """Counts in three runs, one after the other."""
    before = ctx.carried(Counted) or Counted(number=0)

    def rest() -> Child:
        counted = ctx.output(Counted, "one")
        return ContinueAsNew(counted) if counted.number < 3 else None

    return Sequence[Task("one", output=Counted)[call(count, before.number + 1)], rest]
