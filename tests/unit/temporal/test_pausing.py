"""Whatever a step was about to do when its run was paused: bodies that run end, and none begins."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Parallel, Sequence, Task, Timer, call, workflow
from smithers.engine.entry import Fact, OpenRun
from smithers.store.records import Append, Appended
from smithers.temporal.order import Answer
from smithers.temporal.workshop import Delivery
from tests.unit.temporal.conftest import Yard, die_in_body

pytestmark = pytest.mark.decision("0015")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def two(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]]


@workflow
def pair(ctx: Context[dict[str, int]]) -> Child:
    return Parallel[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]]


@workflow
def nap(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Timer("t", duration="1ms"), Task("a", output=Out)[call(work, 1)]]


def put(yard: Yard, kind: str, key: str, needs: OpenRun) -> tuple[str, ...]:
    fact = Fact(kind, key, {"by": "tester"}, needs)  # type: ignore[arg-type]
    return yard.store.append(Append("r", (fact,))).outcomes


def pause(yard: Yard, nth: int = 1) -> None:
    assert put(yard, "paused", f"paused:{nth}", OpenRun(paused=False)) == ("stored",)


def unpause(yard: Yard, nth: int = 1) -> None:
    assert put(yard, "unpaused", f"unpaused:{nth}", OpenRun(paused=True)) == ("stored",)


def kinds(answer: Answer) -> list[tuple[int, str]]:
    return [(command.n, command.kind) for command in answer.commands]


def test_the_store_takes_one_pause_at_a_time(yard: Yard) -> None:
    yard.start(two)
    assert put(yard, "unpaused", "unpaused:0", OpenRun(paused=True)) == ("rejected",)
    pause(yard)
    assert yard.status() == "paused"
    assert put(yard, "paused", "paused:2", OpenRun(paused=False)) == ("rejected",)
    unpause(yard)
    assert yard.status() == "running"
    yard.fetch()
    assert put(yard, "cancel", "cancel", OpenRun()) == ("stored",)


def test_a_step_that_comes_to_a_paused_run_puts_its_command_back(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    pause(yard)
    assert kinds(yard.step(1)) == []
    assert yard.bodies.names == []
    assert [entry.data["why"] for entry in yard.entries("settled")] == ["the run is paused"]
    assert yard.store.node("r", "a").state == "pending"
    assert kinds(yard.fetch()) == []
    unpause(yard)
    assert kinds(yard.fetch()) == [(2, "run")]
    assert yard.store.node("r", "a").state == "running"
    assert kinds(yard.step(2)) == [(3, "run")]
    assert yard.bodies.names == ["a"]
    assert [(entry.data["n"], entry.data["attempt"]) for entry in yard.entries("ended")] == [(2, 1)]


def test_a_fetch_of_a_paused_run_rings_nobody(yard: Yard) -> None:
    yard.start(nap)
    yard.fetch()
    pause(yard)
    assert kinds(yard.deliver_light(1)) == []
    assert yard.rung == []
    assert [entry.kind for entry in yard.entries()][-2:] == ["paused", "fired"]


def test_a_body_that_runs_is_stored_and_nothing_is_planned(bursting: Yard) -> None:
    bursting.start(two)
    bursting.fetch()

    def pause_meanwhile() -> bool:
        if bursting.bodies.names == ["a"] and bursting.status() != "paused":
            pause(bursting)
        return False

    answer = bursting.give(bursting.order(1), Delivery(bursting.worker, superseded=pause_meanwhile))
    assert kinds(answer) == []
    assert bursting.bodies.names == ["a"]
    assert bursting.kinds()[-2:] == ["paused", "ended"]
    unpause(bursting)
    assert kinds(bursting.fetch()) == [(2, "run")]


@pytest.mark.parametrize("what", ["ended", "claim"])
def test_a_pause_between_what_a_step_has_read_and_what_it_stores(yard: Yard, what: str) -> None:
    yard.start(pair)
    yard.fetch()
    append = yard.store.append

    def pause_first(request: Append) -> Appended:
        if any(fact.kind == what for fact in request.facts) and yard.status() != "paused":
            yard.store.append = append
            pause(yard)
        return append(request)

    yard.store.append = pause_first
    yard.step(1)
    assert yard.bodies.names == (["a"] if what == "ended" else [])
    assert yard.status() == "paused"
    assert len(yard.entries("frame")) == 1
    yard.step(2)
    unpause(yard)
    rest = [command.n for command in yard.fetch().commands]
    for n in rest:
        yard.step(n)
    assert sorted(yard.bodies.names) == ["a", "b"]
    assert yard.status() == "finished"


def test_a_plan_that_has_not_seen_the_pause_is_refused(yard: Yard) -> None:
    yard.start(two)
    append = yard.store.append

    def pause_first(request: Append) -> Appended:
        if request.plan is not None:
            yard.store.append = append
            pause(yard)
        return append(request)

    yard.store.append = pause_first
    assert kinds(yard.fetch()) == []
    assert yard.kinds() == ["started", "paused"]
    unpause(yard)
    assert kinds(yard.fetch()) == [(1, "run")]


def test_a_pause_that_ends_before_the_command_is_put_back_is_none(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    pause(yard)
    run = yard.store.run

    def unpause_first(run_id: str) -> object:
        yard.store.run = run
        unpause(yard)
        return run(run_id)

    yard.store.run = unpause_first  # type: ignore[method-assign, assignment]
    yard.step(1)
    assert yard.bodies.names == ["a"]
    assert yard.entries("settled") == []


def test_a_body_whose_process_has_died_waits_for_the_end_of_the_pause(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    die_in_body(yard, 1)
    pause(yard)
    yard.step(1, attempt=2)
    assert yard.bodies.names == []
    unpause(yard)
    (command,) = yard.fetch().commands
    yard.step(command.n)
    assert yard.bodies.ran == [("a", 2, True)]


def test_a_cancel_works_while_it_is_paused(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    pause(yard)
    assert put(yard, "cancel", "cancel", OpenRun()) == ("stored",)
    assert (2, "cancel") in kinds(yard.fetch())
    yard.step(1, attempt=2)
    assert yard.status() == "cancelled"
    assert put(yard, "unpaused", "unpaused:1", OpenRun(paused=True)) == ("rejected",)


def test_code_that_does_not_render_does_not_end_the_pause(yard: Yard) -> None:
    yard.start(two)
    pause(yard)
    data = {"covers": 1, "digest": "d" * 64, "error": {"code": "X", "message": "x", "where": ""}}
    yard.store.append(Append("r", (Fact("render_failed", "render_failed:1:d", data),)))
    assert yard.status() == "paused"
