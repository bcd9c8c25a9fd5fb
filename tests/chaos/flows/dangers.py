"""One task that does harm to its process, between two that do not."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, TaskContext, call, workflow


class Given(BaseModel):
    how: str
    shown: str
    timeout: str = "1h"


class Out(BaseModel):
    text: str


def harm(how: str, shown: str, context: TaskContext) -> Out:
    with Path(shown).open("a") as file:
        file.write(f"{context.node_id} {context.delivery} {os.getpid()}\n")
    match how:
        case "fault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hold":  # unlike CDLL, PyDLL keeps the interpreter's lock during the call
            ctypes.PyDLL(None).sleep(3600)
        case "regex":  # backtracks for longer than anybody waits
            re.match(r"(a+)+$", "a" * 64 + "b")
        case _:
            pass
    return Out(text=how)


def harmless(text: str) -> Out:
    return Out(text=text)


@workflow(input=Given)
def dangers(ctx: Context[Given]) -> Child:
    given = ctx.input
    return Sequence[
        Task("before", output=Out)[call(harmless, "before")],
        Task("danger", output=Out, retries=0, timeout=given.timeout)[call(harm, given.how, given.shown)],
        Task("after", output=Out)[call(harmless, "after")],
    ]
