"""Runs that continue as new, at the level of steps and transactions: what the other run is given, who is rung, and
what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, ContinueAsNew, Sequence, Task, call, workflow
from smithers.engine.chronicle import Event, Reader
from smithers.engine.inbox import Sent
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, Appended, NewRun
from smithers.store.successors import following, last_of
from smithers.temporal.order import FETCH, Order
from tests.unit.temporal.conftest import DIGEST, Yard


class Out(BaseModel):
    n: int = 0


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def endless(ctx: Context[Any]) -> Child:
    return Sequence[Task("a", output=Out)[call(work, ctx.generation)], ContinueAsNew({"page": ctx.generation + 1})]


@workflow
def idle(ctx: Context[Any]) -> Child:
    return ContinueAsNew()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    store = MemoryStore()
    yield Yard(store, tmp_path)
    store.close()


def begin(yard: Yard, run: str = "r", **more: Any) -> None:
    yard.hold(endless)
    yard.store.create_run(NewRun(run, endless.name, {"x": 1}, DIGEST, "flow.py", **more))
    yard.fetch(run)


def events(yard: Yard, run: str) -> list[Event]:
    reader = Reader()
    return [event for entry in yard.store.entries(run) for event in reader.events(entry)]


def test_the_step_that_ends_the_run_makes_the_other_one_and_rings_it(yard: Yard) -> None:
    begin(yard, options={"priority": 2}, tags={"team": "a"}, idempotency_key="once")
    yard.store.append(Append("r", (Sent("paid", {"n": 1}, None, "x", 5).fact,)))
    answer = yard.step(1)

    assert (answer.done, yard.store.run("r").status, yard.rung) == ("continued", "continued", ["r.g1"])
    other = yard.store.run("r.g1")
    assert (other.workflow, other.digest, other.source) == (endless.name, DIGEST, "flow.py")
    assert (other.options, other.tags, other.idempotency_key) == ({"priority": 2}, {"team": "a"}, "")
    log = yard.store.entries("r.g1")
    assert [entry.kind for entry in log] == ["started", "carried", "signal"]
    assert (log[0].data["input"], log[1].data, log[2].data["name"]) == ({"x": 1}, {"payload": {"page": 1}}, "paid")


def test_a_step_that_is_delivered_again_rings_again_and_makes_no_other_run(yard: Yard) -> None:
    begin(yard)
    yard.step(1)
    assert (yard.step(1, attempt=2).done, yard.fetch().done) == ("continued", "continued")

    assert yard.rung == ["r.g1"] * 3, "a bell may have got lost"
    assert yard.store.children("r") == []
    assert last_of(yard.store, yard.store.run("r")).run_id == "r.g1"


def test_what_comes_before_the_frame_is_for_the_other_run(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal is stored when the last plan is made already."""
    begin(yard)
    put, came, refused = yard.store.append, Append("r", (Sent("paid", {"n": 1}, None, "x", 5).fact,)), [0]

    def late(request: Append) -> Appended:
        if request.plan is None or request.plan.successor is None or refused != [0]:
            return put(request)
        put(came)
        done = put(request)
        refused[0] += not done.planned
        return done

    monkeypatch.setattr(yard.store, "append", late)

    assert (yard.step(1).done, refused) == ("continued", [1])
    assert [entry.kind for entry in yard.store.entries("r.g1")] == ["started", "carried", "signal"]


def test_runs_that_hand_over_without_any_work_are_counted(yard: Yard) -> None:
    yard.start(idle)
    for number in (1, 2, 3):
        before = last_of(yard.store, yard.store.run("r")).run_id
        assert yard.deliver(Order(before, FETCH, 1, 1000)).done == "continued"
        assert (yard.store.run(following(yard.store, before)).continues or {})["idle"] == number

    begin(yard, "busy")
    yard.step(1, run="busy")
    assert (yard.store.run("busy.g1").continues or {})["idle"] == 0


@pytest.mark.feature("event.RunContinuedAsNew", "continueasnew.event")
def test_an_event_says_which_run_goes_on_with_how_much(yard: Yard) -> None:
    begin(yard)
    yard.step(1)
    yard.deliver(Order("r.g1", FETCH, 1, 1000))
    yard.step(1, run="r.g1")

    for run, other, number in (("r", "r.g1", 1), ("r.g1", "r.g2", 2)):
        told = events(yard, run)
        depth = {"ancestryDepth": number} if number > 1 else {}
        about = {"newRunId": other, "iteration": str(number), "carriedStateSize": len('{"page":1}'), **depth}
        assert [one.fields for one in told if one.type == "RunContinuedAsNew"] == [about]
        assert [one.fields["status"] for one in told if one.type == "RunStatusChanged"] == ["running", "continued"]
        assert not {one.type for one in told} & {"RunFinished", "RunFailed", "RunCancelled"}
    assert not [one for one in events(yard, "r.g2") if one.type == "RunContinuedAsNew"]


def test_a_child_has_the_time_that_is_left(yard: Yard) -> None:
    parent = {"run": "above", "node": "sub", "iteration": "", "depth": 1}
    begin(yard, options={"timeout_ms": 3_600_000}, parent=parent)
    yard.step(1)

    other = yard.store.run(following(yard.store, "r"))
    assert other.parent == parent
    assert 3_500_000 < other.options["timeout_ms"] <= 3_600_000
