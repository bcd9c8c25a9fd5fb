"""What a type checker knows about a context: the input's fields, and the models of outputs."""

from __future__ import annotations

from typing import Any, assert_type

from pydantic import BaseModel

from smithers import Child, Context, Sequence, Task, Workflow, workflow


class Ticket(BaseModel):
    title: str
    points: int = 1


class Plan(BaseModel):
    steps: list[str]


@workflow(input=Ticket)
def ship(ctx: Context[Ticket]) -> Child:
    assert_type(ctx.input, Ticket)
    assert_type(ctx.input.title, str)
    ctx.input.titel  # expect: reportAttributeAccessIssue, reportUnknownMemberType
    shouted: str = ctx.input.points  # expect: reportAssignmentType
    print(shouted)

    assert_type(ctx.output(Plan, "plan"), Plan)
    assert_type(ctx.output_maybe(Plan, "plan"), Plan | None)
    assert_type(ctx.latest(Plan, "plan"), Plan | None)
    print(ctx.latest(Plan, "plan").steps)  # expect: reportOptionalMemberAccess
    ctx.output(dict, "plan")  # expect: reportArgumentType
    ctx.output("plan", Plan)  # expect: reportArgumentType, reportArgumentType
    return Sequence[Task("plan", output=Plan)[lambda: Plan(steps=[])]]


assert_type(ship, Workflow[Ticket])


@workflow(input=Plan)  # expect: reportArgumentType
def other(ctx: Context[Ticket]) -> Child:
    return None


@workflow
def untyped(ctx: Context[Any]) -> Child:
    return None


assert_type(untyped, Workflow[Any])
