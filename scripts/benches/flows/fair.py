"""A great many tasks beside events and questions to people, each of which starts one task more."""

from __future__ import annotations

from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, WaitForEvent, call, workflow


class Size(BaseModel):
    tasks: int
    events: int
    questions: int


class Number(BaseModel):
    number: int


def same(number: int) -> Number:
    return Number(number=number)


def then(id: str, number: int) -> Task[Number]:
    return Task(id, output=Number)[call(same, number)]


@workflow(input=Size)
def fair(ctx: Context[Size]) -> Child:
    given = ctx.input
    return Parallel[
        Parallel(max_concurrency=50)[(then(f"t{one}", one) for one in range(given.tasks))],
        (
            Sequence[
                WaitForEvent(f"wait{one}", event="mail", correlation_id=str(one), output=Number), then(f"e{one}", one)
            ]
            for one in range(given.events)
        ),
        (Sequence[Approval(f"ask{one}"), then(f"q{one}", one)] for one in range(given.questions)),
    ]
