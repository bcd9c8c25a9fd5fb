"""A step goes on with short work that it planned itself, and a redelivery finds exactly where it was."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, Timer, call, workflow
from smithers.temporal.order import Answer
from smithers.temporal.running import Running
from smithers.temporal.workshop import Delivery
from tests.unit.temporal.conftest import Yard, gone

pytestmark = pytest.mark.decision("0022")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def five(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[[Task(f"t{i}", output=Out)[call(work, i)] for i in range(5)]]


@workflow
def fans_out(ctx: Context[dict[str, int]]) -> Child:
    fan = Parallel[[Task(f"p{i}", output=Out)[call(work, i)] for i in range(3)]]
    return Sequence[Task("a", output=Out)[call(work, 1)], fan, Task("z", output=Out)[call(work, 9)]]


@workflow
def stops(ctx: Context[dict[str, int]]) -> Child:
    first, second = Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]
    return Sequence[first, Timer("t", duration="1h"), second]


@workflow
def asks(ctx: Context[dict[str, int]]) -> Child:
    return Parallel[
        Approval("ok", title="Fine?"),
        Sequence[[Task(f"t{i}", output=Out)[call(work, i)] for i in range(3)]],
    ]


def kinds(answer: Answer) -> list[tuple[int, str]]:
    return [(command.n, command.kind) for command in answer.commands]


def test_a_burst_runs_a_sequence_in_one_step(bursting: Yard) -> None:
    bursting.start(five)
    bursting.fetch()
    answer = bursting.step(1)
    assert answer.done == "finished"
    assert bursting.bodies.names == ["t0", "t1", "t2", "t3", "t4"]
    assert bursting.kinds() == ["started", "frame", "claim", *["ended", "frame", "claim"] * 4, "ended", "frame"]
    assert {entry.data["owner"] for entry in bursting.entries("claim")} == {1}


def test_without_time_for_bursts_every_task_is_a_step(yard: Yard) -> None:
    yard.start(five)
    yard.fetch()
    assert kinds(yard.step(1)) == [(2, "run")]


def test_a_burst_ends_at_a_timer_and_returns_it(bursting: Yard) -> None:
    bursting.start(stops)
    bursting.fetch()
    answer = bursting.step(1)
    assert kinds(answer) == [(2, "timer")]
    assert answer.commands[0].due_ms == bursting.entries("frame")[-1].at_ms + 3_600_000


def test_work_not_known_to_be_short_is_given_away_where_it_could_run_side_by_side(bursting: Yard) -> None:
    bursting.start(fans_out)
    bursting.fetch()
    bursting.shop.pace.note(bursting.store.command("r", 1)[0].command, 500)
    assert kinds(bursting.step(1)) == [(2, "run"), (3, "run"), (4, "run")]


def test_known_short_work_side_by_side_is_done_one_after_another(bursting: Yard) -> None:
    bursting.start(fans_out)
    bursting.fetch()
    assert bursting.step(1).done == "finished"
    assert bursting.bodies.names == ["a", "p0", "p1", "p2", "z"]


def test_a_burst_ends_when_its_worker_stops_and_the_rest_is_returned(bursting: Yard) -> None:
    bursting.start(fans_out)
    bursting.fetch()
    order = bursting.order(1)
    stops_after_two = Delivery(bursting.worker, stopping=lambda: len(bursting.bodies.ran) >= 2)
    answer = bursting.give(order, stops_after_two)
    assert bursting.bodies.names == ["a", "p0"]
    assert kinds(answer) == [(3, "run"), (4, "run")]


def test_a_burst_that_is_given_up_claims_nothing_more(bursting: Yard) -> None:
    bursting.start(five)
    bursting.fetch()
    given_up = Delivery(bursting.worker, superseded=lambda: len(bursting.bodies.ran) >= 2)
    assert kinds(bursting.give(bursting.order(1), given_up)) == [(3, "run")]


def test_a_burst_ends_when_somebody_else_has_written(bursting: Yard) -> None:
    bursting.start(asks)
    bursting.fetch()

    def decide_meanwhile() -> bool:
        if bursting.bodies.names == ["t0"]:
            bursting.decide("ok", approved=True)
        return False

    answer = bursting.give(bursting.order(1), Delivery(bursting.worker, superseded=decide_meanwhile))
    assert bursting.bodies.names == ["t0"]
    assert kinds(answer) == [(2, "run")]


def test_a_burst_that_died_is_finished_by_the_redelivery_of_its_step(bursting: Yard) -> None:
    bursting.start(five)
    bursting.fetch()
    died = die_after(bursting, 3)
    other = bursting.again()
    answer = other.step(1, attempt=2)
    assert died.bodies.names == ["t0", "t1", "t2"]
    assert other.bodies.ran == [("t3", 2, True)]
    assert kinds(answer) == [(5, "run")]
    assert other.step(5).done == "finished"
    assert [entry.data["node"] for entry in bursting.entries("ended")] == ["t0", "t1", "t2", "t3", "t4"]


class Killed(BaseException):
    pass


def die_after(yard: Yard, bodies: int) -> Yard:
    """A process that is gone when it has claimed the next one."""
    died = yard.again(worker=gone())
    put = died.shop.table.put

    def begun(running: Running) -> None:
        if len(died.bodies.ran) == bodies:
            raise Killed
        put(running)

    died.shop.table.put = begun
    with pytest.raises(Killed):
        died.step(1)
    return died


def test_settling_a_lost_burst_closes_what_it_had_claimed(bursting: Yard) -> None:
    bursting.start(five)
    bursting.fetch()
    die_after(bursting, 3)
    answer = bursting.fetch(settle=(1,))
    assert [entry.data["n"] for entry in bursting.entries("settled")] == [4]
    assert kinds(answer) == [(5, "run")]
    other = bursting.again()
    assert kinds(other.step(5)) == [(6, "run")]
    assert other.bodies.ran == [("t3", 2, True)]


def test_a_settlement_that_comes_too_late_leaves_the_later_drivers_body_alone(bursting: Yard) -> None:
    bursting.start(five)
    bursting.fetch()
    died = bursting.again(worker=gone())
    died.shop.table.put = stop  # type: ignore[method-assign]
    with pytest.raises(Killed):
        died.step(1, since=5000)
    bursting.fetch(settle=(1,), since=1000)
    assert bursting.entries("settled") == []


def stop(*_: object) -> object:
    raise Killed


def test_a_zombie_of_a_settled_step_leaves_a_rejected_entry(yard: Yard) -> None:
    yard.start(five)
    yard.fetch()
    put = yard.shop.table.put

    def settle_meanwhile(running: Running) -> None:
        yard.again().fetch(settle=(1,))
        put(running)

    yard.shop.table.put = settle_meanwhile
    yard.step(1)
    assert [entry.data["entry"]["kind"] for entry in yard.entries("rejected")] == ["ended"]
    assert "t0" not in yard.ended()


def test_what_a_zombie_planned_is_returned_by_whoever_comes_next(bursting: Yard) -> None:
    """A delivery that was given up bursts on; the step that the driver started meanwhile must bring what it planned."""
    bursting.start(five)
    bursting.fetch()
    zombie = Delivery(bursting.worker, superseded=lambda: len(bursting.bodies.ran) >= 3)
    bursting.give(bursting.order(1), zombie)
    assert kinds(bursting.again().step(2)) == [(4, "run")]
