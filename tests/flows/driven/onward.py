"""Counts to `n`, one number in each run, and asks before the last one."""

from pydantic import BaseModel

from smithers import Approval, Child, Context, ContinueAsNew, Sequence, Task, call, workflow


class Given(BaseModel):
    n: int = 3


class Out(BaseModel):
    n: int = 0


def work(n: int) -> Out:
    return Out(n=n)


@workflow(input=Given)
def onward(ctx: Context[Given]) -> Child:
    at = (ctx.carried(Out) or Out()).n + 1
    asked = Approval("check") if at == ctx.input.n else None
    then = ContinueAsNew({"n": at}) if at < ctx.input.n else None
    return Sequence[asked, Task("one", output=Out)[call(work, at)], then]
