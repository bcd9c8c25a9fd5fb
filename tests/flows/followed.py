"""The edition of `crashed.py` that its runs come to follow."""

from __future__ import annotations

from smithers import Child, Context, workflow
from tests.flows import crashed as first


class Second(first.Trees):
    edition = 2


@workflow(input=first.Given)
def crashed(ctx: Context[first.Given]) -> Child:
    return first.SCENARIOS[ctx.input.scenario](Second(ctx))
