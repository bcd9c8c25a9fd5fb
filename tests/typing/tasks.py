"""What a type checker refuses in a task: a body that does not produce its output model."""

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from smithers import Loop, Parallel, Sequence, Task, call


class Ticket(BaseModel):
    title: str


class Plan(BaseModel):
    steps: list[str]


def make_plan() -> Plan:
    return Plan(steps=[])


async def make_plan_later() -> Plan:
    return Plan(steps=[])


def plan_for(ticket: Ticket) -> Plan:
    return Plan(steps=[ticket.title])


def make_ticket() -> Ticket:
    return Ticket(title="")


task = Task("plan", output=Plan)
assert_type(task, Task[Plan])

assert_type(task[make_plan], Task[Plan])
assert_type(task[make_plan_later], Task[Plan])
assert_type(task[call(plan_for, Ticket(title=""))], Task[Plan])
assert_type(task[Plan(steps=[])], Task[Plan])

task[make_ticket]  # expect: reportArgumentType
task[Ticket(title="")]  # expect: reportArgumentType
task[call(make_ticket)]  # expect: reportArgumentType
task[42]  # expect: reportArgumentType

Task("plan", output=dict)  # expect: reportArgumentType
Task("plan", output=Plan, retri=3)  # expect: reportCallIssue
Task(output=Plan)  # expect: reportCallIssue

assert_type(Sequence[task], Sequence)
assert_type(Parallel(max_concurrency=2)[task], Parallel)
Parallel(max_concurrency="two")  # expect: reportArgumentType
Loop("again", until=True, on_max_reached="stop")  # expect: reportArgumentType
Loop("again", until="done")  # expect: reportArgumentType
