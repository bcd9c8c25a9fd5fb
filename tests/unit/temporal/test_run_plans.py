"""What a process remembers of a run is what the store would say of the moment of its last frame."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, Timer, call, workflow
from smithers.temporal.order import Answer, Carried
from smithers.temporal.plans import Plans
from smithers.temporal.run_plans import RunPlans
from tests.unit.temporal.conftest import CODE, Yard

pytestmark = pytest.mark.decision("0004")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


def task(name: str) -> Task[Out]:
    return Task(name, output=Out)[call(work, 1)]


@workflow
def wide(ctx: Context[dict[str, int]]) -> Child:
    strands = [Sequence[task(f"a{i}"), task(f"b{i}")] for i in range(6)]
    return Sequence[Parallel[(*strands, Timer("t", duration="1h"), Approval("ok", title="?"))], task("z")]


def remembered(yard: Yard) -> RunPlans:
    return yard.codes[CODE].of("r")


def stored(yard: Yard) -> list[Carried]:
    return [Carried.of(row) for row in yard.store.open_commands("r")]


def test_the_open_commands_are_those_of_the_store_after_every_step(yard: Yard) -> None:
    yard.start(wide)
    todo = [command.n for command in yard.fetch().commands if command.kind == "run"]
    while todo:
        answer = yard.step(todo.pop(0))
        todo += [command.n for command in answer.commands if command.kind == "run" and command.n not in todo]
        known = remembered(yard).open
        assert known.known
        assert list(known.commands.values()) == stored(yard)


def test_a_fact_behind_the_last_frame_still_shows_its_command(yard: Yard) -> None:
    """Its step may be a zombie's: then somebody has to be told to look at that command."""
    yard.start(wide)
    yard.fetch()
    yard.step(1)
    yard.again().step(2, child=True)
    before = dict(remembered(yard).open.commands)
    plans = yard.codes[CODE]
    with plans.locked("r", None) as run:
        plans.caught_up(run)
    assert 2 in before
    assert 2 in remembered(yard).open.commands
    assert 2 not in [command.n for command in stored(yard)]


@pytest.mark.parametrize("attempt", [1, 2])
def test_frames_of_other_processes_are_not_guessed_at(yard: Yard, attempt: int) -> None:
    yard.start(wide)
    yard.fetch()
    yard.step(1)
    other = yard.again()
    theirs = other.step(2)
    ours: Answer = yard.step(3, attempt=attempt)
    assert [command.n for command in theirs.commands] == [9]
    assert 10 in [command.n for command in ours.commands]
    assert list(remembered(yard).open.commands.values()) == stored(yard)


@pytest.mark.parametrize(("kept", "kept_nodes"), [(2, 1000), (1000, 5)])
def test_runs_that_were_not_used_for_long_make_room_by_number_and_by_size(
    yard: Yard, kept: int, kept_nodes: int
) -> None:
    plans: Plans | None = None
    for run in ("a", "b", "c"):
        yard.start(wide, run)
        plans = plans or Plans(yard.store, yard.codes[CODE].code, kept=kept, kept_nodes=kept_nodes)
        with plans.locked(run, None) as known:
            plans.plan_all(known, 0, 1)

    assert plans is not None
    assert plans.of("c").planner is not None
    assert plans.of("a").planner is None
