"""Child runs at the level of steps and transactions: started once, ended once, stopped whenever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Parallel, Subflow, Task, call, workflow
from smithers.engine.entry import Fact, OpenRun
from smithers.errors import RunExists, StaleEpoch
from smithers.flow.workflow import AnyWorkflow
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, Launch, NewRun
from smithers.temporal import facts
from smithers.temporal.order import FETCH, Order
from smithers.temporal.priorities import fairness_key, priority_of
from smithers.temporal.subflows import new_child
from tests.unit.temporal.conftest import CODE, DIGEST, Yard

pytestmark = pytest.mark.decision("0011")

CHILD = "r.sub.1"


class Out(BaseModel):
    n: int = 0


def work(n: int = 0) -> Out:
    return Out(n=n)


@workflow
def below(ctx: Context[Any]) -> Child:
    return Task("a", output=Out)[call(work, 4)]


@workflow
def above(ctx: Context[Any]) -> Child:
    return Subflow("sub", workflow=below, output=Out)


@workflow
def crowded(ctx: Context[Any]) -> Child:
    return Parallel[Subflow("sub", workflow=below, output=Out), Task("b", output=Out)[call(work, 1)]]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    store = MemoryStore()
    yard = Yard(store, tmp_path)
    begin(yard, above)
    yield yard
    store.close()


def begin(yard: Yard, flow: AnyWorkflow, run: str = "r") -> None:
    yard.hold(flow, others=globals())
    yard.store.create_run(NewRun(run, flow.name, {}, DIGEST, "flow.py"))
    yard.fetch(run)


def kinds(yard: Yard, run: str = "r") -> list[str]:
    return [entry.kind for entry in yard.store.entries(run)]


def launch(yard: Yard, epoch: int = 1) -> Launch:
    command = yard.store.command("r", 1)[0].command
    return Launch(new_child(yard.store.run("r"), command), command, epoch)


def end_child(yard: Yard) -> None:
    yard.deliver(Order(CHILD, FETCH, 1, 1000))
    yard.deliver(Order(CHILD, 1, 1, 1000, code=CODE))


def test_what_is_below_a_run_has_its_priority_and_shares_its_turns(yard: Yard) -> None:
    given = {"priority": 1}
    yard.store.create_run(NewRun("top", above.name, {}, DIGEST, "flow.py", given))
    command = yard.store.command("r", 1)[0].command

    child = yard.store.create_run(new_child(yard.store.run("top"), command))
    grandchild = yard.store.create_run(replace(new_child(child, command), run_id="below"))

    assert priority_of(grandchild) == {"priority_key": 1, "fairness_key": "top"}
    assert priority_of(yard.store.run("r")) == {"priority_key": 3, "fairness_key": "r"}


def test_a_key_that_is_too_long_for_temporal_is_shortened(yard: Yard) -> None:
    long = [yard.store.create_run(NewRun("x" * 99 + end, "w", {}, DIGEST, "flow.py")) for end in "ab"]

    assert [len(fairness_key(run)) for run in long] == [64, 64]
    assert len({fairness_key(run) for run in long}) == 2


@pytest.mark.feature("subflow.mode.childRun", "subflow.lineage")
def test_a_step_that_is_delivered_again_finds_the_child_it_has_started(yard: Yard) -> None:
    for attempt in (1, 2, 3):
        yard.step(1, attempt=attempt)

    child = yard.store.run(CHILD)
    assert child.parent == {"run": "r", "node": "sub", "iteration": "", "depth": 1}
    assert [run.run_id for run in yard.store.children("r")] == [CHILD]
    assert kinds(yard) == ["started", "frame", "launched"]
    assert yard.rung == [CHILD] * 3, "a bell may have got lost"


def test_a_child_is_not_started_while_its_parent_is_paused(yard: Yard) -> None:
    yard.store.append(Append("r", (Fact("paused", "paused:1", {"by": "tester"}, OpenRun(paused=False)),)))
    yard.step(1)
    assert (yard.store.children("r"), kinds(yard)[-1]) == ([], "settled")

    yard.store.append(Append("r", (Fact("unpaused", "unpaused:1", {"by": "tester"}, OpenRun(paused=True)),)))
    (again,) = yard.fetch().commands
    yard.step(again.n)

    assert (again.kind, [run.run_id for run in yard.store.children("r")]) == ("subflow", [CHILD])


def test_the_childs_last_frame_ends_the_parents_node_and_rings(yard: Yard) -> None:
    yard.step(1)
    end_child(yard)

    assert yard.store.run(CHILD).status == "finished"
    ended = yard.store.entries("r")[-1]
    assert (ended.kind, ended.data["outcome"], ended.data["output"], ended.data["run"]) == (
        "ended",
        "finished",
        {"n": 4},
        CHILD,
    )
    assert yard.rung[-1] == "r"
    assert yard.fetch().done == "finished"
    assert yard.store.node("r", "sub").state == "finished"


def test_a_child_that_nobody_waits_for_tells_nobody(yard: Yard) -> None:
    yard.step(1)
    command = yard.store.command("r", 1)[0].command
    yard.store.append(Append("r", (facts.ended(command, {"outcome": "failed", "error": {}, "ms": 0}),)))
    before = kinds(yard)
    end_child(yard)

    assert kinds(yard) == before


def test_a_closed_command_and_an_older_epoch_start_nothing(yard: Yard) -> None:
    request = launch(yard)
    yard.store.redrive("r")
    with pytest.raises(StaleEpoch):
        yard.store.launch(request)
    yard.store.append(Append("r", (facts.settled(request.command, 0, "lost"),)))

    assert not yard.store.launch(launch(yard, epoch=2)).run_id
    assert not yard.store.children("r")


def test_a_command_with_a_child_is_not_settled(yard: Yard) -> None:
    yard.step(1)
    yard.fetch(settle=(1,))

    assert "settled" not in kinds(yard)
    assert yard.store.command("r", 1)[1]
    assert yard.rung[-1] == CHILD


def test_a_late_launch_after_a_stop_starts_nothing(yard: Yard) -> None:
    request = launch(yard)
    cancel(yard)
    yard.step(2)

    assert yard.store.entries_by_key("r", "ended:sub")[0].data["outcome"] == "cancelled"
    assert not yard.store.launch(request).run_id
    assert yard.fetch().done == "cancelled"


def test_a_stop_cancels_the_child_and_the_parent_waits_for_its_end(yard: Yard) -> None:
    yard.step(1)
    cancel(yard)
    yard.step(2)
    assert kinds(yard, CHILD)[-1] == "cancel"
    assert yard.store.run("r").status == "running"

    yard.deliver(Order(CHILD, FETCH, 1, 1000))
    assert yard.store.run(CHILD).status == "cancelled"
    assert yard.fetch().done == "cancelled"


def test_the_id_of_somebody_elses_run_is_not_taken(yard: Yard) -> None:
    yard.store.create_run(NewRun(CHILD, "other", {}, DIGEST, "flow.py"))
    with pytest.raises(RunExists):
        yard.store.launch(launch(yard))
    answer = yard.step(1)

    assert answer.done == "failed"
    error = yard.store.run("r").error
    assert error is not None
    assert error["code"] == "RUN_ALREADY_EXISTS"


def test_a_failed_child_that_was_resumed_by_hand_gives_its_output_to_the_resumed_parent(tmp_path: Path) -> None:
    """Whoever resumes what first."""
    store = MemoryStore()
    yard = Yard(store, tmp_path)
    begin(yard, above)
    yard.step(1)
    yard.deliver(Order(CHILD, FETCH, 1, 1000))
    command = store.command(CHILD, 1)[0].command
    error = {"code": "TASK_FAILED", "message": "no", "retryable": False}
    store.append(Append(CHILD, (facts.ended(command, {"outcome": "failed", "error": error, "ms": 0}),)))
    yard.deliver(Order(CHILD, FETCH, 1, 1000))
    assert yard.fetch().done == "failed"

    reopened(yard, CHILD)
    yard.deliver(Order(CHILD, FETCH, 2, 2000))
    task = next(row.command for row in store.open_commands(CHILD) if row.command.kind == "run")
    yard.deliver(Order(CHILD, task.n, 2, 2000, code=CODE))
    assert store.run(CHILD).status == "finished"
    reopened(yard, "r")
    yard.deliver(Order("r", FETCH, 2, 2000))
    again = next(row.command for row in store.open_commands("r") if row.command.kind == "subflow")
    answer = yard.deliver(Order("r", again.n, 2, 2000, code=CODE))

    assert answer.done == "finished"
    assert [run.run_id for run in store.children("r")] == [CHILD]
    store.close()


def reopened(yard: Yard, run: str) -> None:
    from smithers.engine.entry import EndedRun

    fact = Fact("resumed", "resumed:2", {"by": "x"}, EndedRun(("failed",)))
    assert yard.store.append(Append(run, (fact,))).outcomes == ("stored",)


def cancel(yard: Yard) -> None:
    yard.store.append(Append("r", (Fact("cancel", "cancel", {"by": "x", "reason": ""}, OpenRun()),)))
    yard.fetch()
    assert yard.store.command("r", 2)[0].command.kind == "stop"


def test_a_bell_of_a_stop_that_nobody_carries_out_is_missed(yard: Yard) -> None:
    from smithers.temporal.subflows import is_unheard

    yard.step(1)
    cancel(yard)
    command = yard.store.command("r", 2)[0].command
    run = yard.store.run("r")
    assert is_unheard(yard.store, run, command)
    yard.step(2)
    assert not is_unheard(yard.store, run, command)


def test_tasks_beside_a_child_run_go_on(tmp_path: Path) -> None:
    store = MemoryStore()
    yard = Yard(store, tmp_path)
    begin(yard, crowded)
    yard.step(2)
    yard.step(1)
    end_child(yard)

    assert yard.fetch().done == "finished"
    assert yard.bodies.names == ["b", "a"]
    store.close()
