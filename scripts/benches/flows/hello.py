"""The smallest workflow."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Child, Context, Task, workflow


class Name(BaseModel):
    name: str = "world"


class Greeting(BaseModel):
    text: str


@workflow(input=Name)
def hello(ctx: Context[Name]) -> Child:
    return Task("greet", output=Greeting)[lambda: Greeting(text=f"Hello, {ctx.input.name}!")]
