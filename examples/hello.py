"""The smallest workflow: one task, one function. Run it with `smithers up examples/hello.py`."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Context, Task, call, workflow


class Person(BaseModel):
    name: str = "world"


class Greeting(BaseModel):
    text: str


def greet(name: str) -> Greeting:
    return Greeting(text=f"Hello, {name}!")


@workflow(input=Person)
def hello(ctx: Context[Person]) -> Task[Greeting]:
    return Task("greet", output=Greeting)[call(greet, ctx.input.name)]
