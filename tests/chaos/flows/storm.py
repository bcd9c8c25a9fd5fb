"""A bit of everything that a run can be in when its worker dies: rounds of short work in a row, work side by side, a
failure that is retried, a person, a timer, and work in processes of its own. Each body leaves a line outside."""

from __future__ import annotations

import time

from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, RetryPolicy, Sequence, Task, TaskContext, Timer, call, workflow
from tests.flows.outside import leave_line

SOON = RetryPolicy(backoff="fixed", initial_delay="100ms")


class Given(BaseModel):
    shown: str
    """The file that each body adds a line to."""
    rounds: int = 1
    chain: int = 10
    fan: int = 0
    flaky: int = 0
    asked: bool = False
    pause: str = ""
    alone: int = 0
    each_ms: float = 5
    long_s: float = 0
    """Each round ends with two tasks that take so long, one of them in a process of its own."""


class Out(BaseModel):
    number: int


def work(shown: str, number: int, each_ms: float, context: TaskContext) -> Out:
    leave_line(shown, context)
    time.sleep(each_ms / 1000)
    return Out(number=number)


def fails_at_first(shown: str, number: int, context: TaskContext) -> Out:
    leave_line(shown, context)
    if context.attempt == 1:
        raise RuntimeError("not this time")
    return Out(number=number)


def tasks(name: str, count: int, given: Given, *, alone: bool = False) -> list[Child]:
    return [
        Task(f"{name}{number}", output=Out, isolated=alone)[call(work, given.shown, number, given.each_ms)]
        for number in range(count)
    ]


def long_tasks(name: str, given: Given) -> list[Child]:
    long = call(work, given.shown, 0, given.long_s * 1000)
    return [Task(f"{name}-here", output=Out)[long], Task(f"{name}-alone", output=Out, isolated=True)[long]]


def parts(number: int, given: Given) -> list[Child]:
    """One round."""
    name = f"r{number}"
    found = tasks(f"{name}-chain", given.chain, given)
    found += [Parallel[tasks(f"{name}-fan", given.fan, given)]] if given.fan else []
    found += [
        Task(f"{name}-flaky{one}", output=Out, retry=SOON)[call(fails_at_first, given.shown, one)]
        for one in range(given.flaky)
    ]
    found += [Approval(f"{name}-ok", title="Go on?")] if given.asked else []
    found += [Timer(f"{name}-pause", duration=given.pause)] if given.pause else []
    found += [Parallel[tasks(f"{name}-alone", given.alone, given, alone=True)]] if given.alone else []
    if given.long_s:
        found.append(Parallel[long_tasks(f"{name}-long", given)])
    return found


@workflow(input=Given)
def storm(ctx: Context[Given]) -> Child:
    given = ctx.input
    return Sequence[[part for number in range(given.rounds) for part in parts(number, given)]]
