"""One task."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Context, Task, call, workflow


class Greeting(BaseModel):
    text: str


def greet(name: str) -> Greeting:
    return Greeting(text=f"Hello, {name}!")


@workflow
def hello(ctx: Context[None]) -> Task[Greeting]:
    return Task("greet", output=Greeting)[call(greet, "world")]
