"""Runs that continue as new, at the level of steps and transactions: what the other run is given, who is rung, and
what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, ContinueAsNew, Sequence, Subflow, Task, call, workflow
from smithers.engine.chronicle import Event, Reader
from smithers.engine.entry import EndedRun, Fact, OpenRun
from smithers.engine.inbox import Sent
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, Appended, NewRun
from smithers.store.successors import following, last_of
from smithers.temporal import facts
from smithers.temporal.order import FETCH, Order
from tests.unit.temporal.conftest import CODE, DIGEST, Yard

pytestmark = pytest.mark.decision("0032")


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


@workflow
def twice(ctx: Context[Any]) -> Child:
    """Two runs."""
    return Sequence[Task("a", output=Out)[call(work, ctx.generation)], None if ctx.generation else ContinueAsNew()]


@workflow
def above(ctx: Context[Any]) -> Child:
    return Subflow("sub", workflow=twice, output=Out)


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


# Chains of child runs

FIRST, LAST = "r.sub.1", "r.sub.1.g1"


def work_on(yard: Yard, run: str, epoch: int = 1, error: str = "") -> None:
    """Has the run's open task done, or fail."""
    yard.deliver(Order(run, FETCH, epoch, 1000 * epoch))
    command = next(row.command for row in yard.store.open_commands(run) if row.command.kind == "run")
    if not error:
        yard.deliver(Order(run, command.n, epoch, 1000 * epoch, code=CODE))
        return
    failure = {"outcome": "failed", "error": {"code": "TASK_FAILED", "message": error, "retryable": False}, "ms": 0}
    yard.store.append(Append(run, (facts.ended(command, failure),)))
    yard.deliver(Order(run, FETCH, epoch, 1000 * epoch))


@pytest.fixture
def chained(yard: Yard) -> Yard:
    """The child has continued as new."""
    yard.hold(above, others=globals())
    yard.store.create_run(NewRun("r", above.name, {}, DIGEST, "flow.py"))
    yard.fetch()
    yard.step(1)
    work_on(yard, FIRST)
    return yard


@pytest.mark.feature("subflow.lineage")
def test_a_parent_hears_of_the_end_of_a_chain_and_of_nothing_before(chained: Yard) -> None:
    assert [entry.kind for entry in chained.store.entries("r")] == ["started", "frame", "launched"]
    assert (chained.rung[-1], chained.store.run("r").status) == (LAST, "running")
    work_on(chained, LAST)

    (ended,) = [entry for entry in chained.store.entries("r") if entry.kind == "ended"]
    assert (ended.data["run"], ended.data["output"], chained.rung[-1]) == (LAST, {"n": 1}, "r")
    assert chained.fetch().done == "finished"
    assert [(one.run_id, one.status) for one in chained.store.children("r")] == [
        (FIRST, "continued"),
        (LAST, "finished"),
    ]


def test_a_resumed_parent_goes_on_with_the_last_of_a_chain(chained: Yard) -> None:
    work_on(chained, LAST, error="no")
    assert (chained.store.run(LAST).status, chained.fetch().done) == ("failed", "failed")
    by_hand = Fact("resumed", "resumed:2", {"by": "x"}, EndedRun(("failed",)))
    assert chained.store.append(Append("r", (by_hand,))).outcomes == ("stored",)
    chained.deliver(Order("r", FETCH, 2, 2000))
    again = next(row.command for row in chained.store.open_commands("r") if row.command.kind == "subflow")
    chained.deliver(Order("r", again.n, 2, 2000, code=CODE))
    assert (chained.rung[-1], chained.store.run(LAST).status) == (LAST, "running")

    work_on(chained, LAST, epoch=2)
    assert chained.deliver(Order("r", FETCH, 2, 2000)).done == "finished"
    assert [one.run_id for one in chained.store.children("r")] == [FIRST, LAST]


def test_a_stop_cancels_the_last_of_a_chain(chained: Yard) -> None:
    chained.store.append(Append("r", (Fact("cancel", "cancel", {"by": "x", "reason": ""}, OpenRun()),)))
    chained.fetch()
    chained.step(2)

    assert chained.store.entries_by_key(LAST, "cancel")
    assert not chained.store.entries_by_key(FIRST, "cancel")
    chained.deliver(Order(LAST, FETCH, 1, 1000))
    assert (chained.store.run(LAST).status, chained.fetch().done) == ("cancelled", "cancelled")


def test_a_fetch_of_the_parent_rings_the_last_of_a_chain(chained: Yard) -> None:
    """The step that has launched the first one ended without an answer."""
    chained.fetch(settle=(1,))

    assert chained.rung[-1] == LAST
    assert "settled" not in {entry.kind for entry in chained.store.entries("r")}
