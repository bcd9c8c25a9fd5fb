"""A fetch goes on with short work that it has planned, where nothing else is in flight; whoever comes after it finds
exactly where it was."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, Timer, call, workflow
from smithers.engine.command import Command
from smithers.temporal.order import FETCH
from smithers.temporal.workshop import FETCHES_ONWARD
from tests.unit.temporal.conftest import Gone, Yard, gone, stop_before_bodies

pytestmark = pytest.mark.decision("0022")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def asks(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[
        Approval("ok", title="Fine?"),
        Task("a", output=Out)[call(work, 1)],
        Task("b", output=Out)[call(work, 2)],
    ]


@workflow
def asks_beside_a_timer(ctx: Context[dict[str, int]]) -> Child:
    return Parallel[Timer("t", duration="1h"), asks.function(ctx)]


@pytest.fixture
def asked(bursting: Yard) -> Yard:
    """A run that waits for a person, on a worker that knows how long its tasks take."""
    bursting.start(asks)
    bursting.fetch()
    know(bursting)
    bursting.decide("ok", approved=True)
    return bursting


def know(yard: Yard, ms: float = 1.0) -> None:
    yard.shop.pace.note(Command(1, "run", "a", payload={"fn": f"{work.__module__}:{work.__qualname__}"}), ms)


def test_what_a_decision_leads_to_is_done_by_the_fetch(asked: Yard) -> None:
    before = len(asked.entries())

    answer = asked.fetch(alone=True)

    assert (answer.done, answer.commands[-1].kind) == ("finished", "complete")
    assert asked.bodies.names == ["a", "b"]
    assert asked.kinds()[before:] == ["frame", "claim", "ended", "frame", "claim", "ended", "frame"]
    assert {entry.data["owner"] for entry in asked.entries("claim")} == {FETCH}


def test_not_while_a_step_is_in_flight(asked: Yard) -> None:
    answer = asked.fetch()

    assert [command.kind for command in answer.commands] == ["run"]
    assert asked.bodies.names == []


def test_not_with_work_that_may_take_long(asked: Yard) -> None:
    know(asked, 10_000)

    assert [command.kind for command in asked.fetch(alone=True).commands] == ["run"]
    assert asked.bodies.names == []


def test_not_beside_a_timer(bursting: Yard) -> None:
    bursting.start(asks_beside_a_timer)
    bursting.fetch()
    know(bursting)
    bursting.decide("ok", approved=True)

    assert "run" in {command.kind for command in bursting.fetch(alone=True).commands}
    assert bursting.bodies.names == []


def test_not_when_it_is_delivered_again(asked: Yard) -> None:
    assert [command.kind for command in asked.fetch(attempt=2, alone=True).commands] == ["run"]
    assert asked.bodies.names == []


def test_only_a_few_fetches_go_on_at_a_time(asked: Yard) -> None:
    for _ in range(FETCHES_ONWARD):
        assert asked.shop.onward.acquire(blocking=False)

    assert [command.kind for command in asked.fetch(alone=True).commands] == ["run"]

    asked.shop.onward.release()
    asked.start(asks, "other")
    asked.fetch("other")
    asked.decide("ok", approved=True, run="other")
    assert asked.fetch("other", alone=True).done == "finished"


def test_what_a_fetch_was_at_when_its_process_died_is_done_by_a_step(asked: Yard) -> None:
    died = asked.again(worker=gone())
    know(died)
    stop_before_bodies(died)
    with pytest.raises(Gone):
        died.fetch(alone=True)
    assert died.shop.onward.acquire(blocking=False)
    again = asked.again()

    answer = again.fetch(attempt=2, alone=True)
    assert [(command.kind, command.owner) for command in answer.commands] == [("run", FETCH)]

    following = again.step(answer.commands[0].n)
    assert again.step(following.commands[0].n).done == "finished"
    assert again.bodies.ran == [("a", 2, True), ("b", 1, False)]
    assert [entry.data["n"] for entry in again.entries("died")] == [answer.commands[0].n]
