"""Quick tasks that end at about the same time are stored together, and each step still answers for what follows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, call, workflow
from smithers.engine.command import Command
from smithers.engine.inbox import Sent
from smithers.engine.plan import Planner, is_same
from smithers.errors import StaleEpoch
from smithers.store.records import Append, Appended
from smithers.temporal.crowd import end_with_others
from smithers.temporal.facts import claim, ended
from smithers.temporal.order import Answer, Carried
from tests.unit.temporal.conftest import CODE, Yard

pytestmark = pytest.mark.decision("0007")

WIDTH = 24


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def strands(ctx: Context[dict[str, int]]) -> Child:
    def task(name: str) -> Task[Out]:
        return Task(name, output=Out)[call(work, 1)]

    return Parallel[(Sequence[task(f"a{i}"), task(f"b{i}"), task(f"c{i}")] for i in range(WIDTH))]


def begin(yard: Yard, command: Command) -> None:
    by = {"owner": command.n, "since": 1, "delivery": 1, "worker": "w"}
    assert yard.store.append(Append("r", (claim(command, 1, by),))).outcomes == ("stored",)


def deliver_all(yard: Yard) -> list[Answer]:
    """As many at once as there are, like the driver: whatever an answer names is delivered, once."""
    yard.start(strands)
    answers = [yard.fetch()]
    seen: set[int] = set()
    with ThreadPoolExecutor(WIDTH) as pool:
        todo = [command.n for command in answers[0].commands]
        while todo:
            seen.update(todo)
            answers += pool.map(yard.step, todo)
            named = {command.n for answer in answers for command in answer.commands if command.kind == "run"}
            todo = sorted(named - seen)
    return answers


def test_everything_is_done_once_and_the_frames_are_those_of_a_cold_start(yard: Yard) -> None:
    answers = deliver_all(yard)

    assert yard.store.run("r").status == "finished"
    assert sorted(yard.bodies.names) == sorted(f"{strand}{i}" for strand in "abc" for i in range(WIDTH))
    assert any(answer.done == "finished" for answer in answers)
    log = yard.store.entries("r")
    for frame in [entry for entry in log if entry.kind == "frame"]:
        plan = Planner.build(strands, "r", log[: frame.data["covers"]]).plan()
        assert plan is not None
        assert is_same(plan.frame, frame.data)


def test_facts_that_wait_for_the_lock_share_one_frame(yard: Yard) -> None:
    yard.start(strands)
    commands = {command.n: yard.store.command("r", command.n)[0].command for command in yard.fetch().commands}
    plans = yard.codes[CODE]
    for command in commands.values():
        begin(yard, command)
    before = len(yard.store.entries("r"))
    end = {"outcome": "finished", "output": {"n": 1}, "ms": 0}

    with ThreadPoolExecutor(WIDTH) as pool:
        with plans.locked("r", None) as run:
            futures = [
                pool.submit(end_with_others, plans, "r", None, ended(command, end), command.n, 1)
                for command in commands.values()
            ]
            while len(run.offers) < WIDTH:
                pass
        offers = [future.result(10) for future in futures]

    added = yard.store.entries("r")[before:]
    assert [entry.kind for entry in added] == [*["ended"] * WIDTH, "frame"]
    assert sorted(offer.position for offer in offers) == [entry.seq for entry in added[:-1]]
    assert {offer.outcome for offer in offers} == {"stored"}


def test_claims_that_come_while_it_is_planned_do_not_spoil_the_plan(yard: Yard) -> None:
    yard.start(strands)
    first, second, *_ = (yard.store.command("r", command.n)[0].command for command in yard.fetch().commands)
    begin(yard, first)
    plans = yard.codes[CODE]
    with plans.locked("r", None) as run:
        plans.caught_up(run)
        planner = run.planner
        assert planner is not None
        begin(yard, second)
        fact = ended(first, {"outcome": "finished", "output": {"n": 1}, "ms": 0})
        result = plans.together(run, (fact,), 1, 1)
        assert result.plan is not None
        assert run.planner is planner
        assert plans.caught_up(run) is planner
        assert planner.position == yard.store.run("r").head
        assert planner.state.last_fact == result.positions[0]


def test_everybody_is_told_what_the_store_refuses(yard: Yard) -> None:
    yard.start(strands)
    commands = [yard.store.command("r", command.n)[0].command for command in yard.fetch().commands[:3]]
    plans = yard.codes[CODE]
    yard.store.redrive("r")
    barrier = threading.Barrier(3)

    def end(n: int) -> None:
        barrier.wait(10)
        fact = ended(commands[n], {"outcome": "finished", "output": {"n": 1}, "ms": 0})
        end_with_others(plans, "r", None, fact, n, 1)

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(end, n) for n in range(3)]:
            with pytest.raises(StaleEpoch):
                future.result(10)


def test_commands_that_differ_in_their_numbers_only_travel_as_one() -> None:
    commands = (
        *(Carried(n, "run", 3) for n in range(4, 9)),
        Carried(9, "run", 3, timeout_ms=50),
        Carried(10, "run", 4),
        Carried(12, "run", 4),
        Carried(13, "cancel", 4, target=5),
    )
    wire = Answer(commands).wire()

    assert [(span["n"], span.get("last")) for span in wire["commands"]] == [
        (4, 8), (9, None), (10, None), (12, None), (13, None),
    ]  # fmt: skip
    assert Answer.read(wire).commands == commands


def test_events_that_come_while_it_is_planned_cost_no_planner_once_they_are_known(yard: Yard) -> None:
    yard.start(strands)
    commands = [yard.store.command("r", command.n)[0].command for command in yard.fetch().commands]
    plans = yard.codes[CODE]
    for command in commands:
        begin(yard, command)

    def planner_after(command: Command) -> Planner | None:
        fact = ended(command, {"outcome": "finished", "output": {"n": 1}, "ms": 0})
        assert end_with_others(plans, "r", None, fact, command.n, 1).outcome == "stored"
        return plans.of("r").planner

    first = planner_after(commands[0])
    send(yard, 1)
    second = planner_after(commands[1])
    assert second is first
    assert plans.of("r").has_company

    append, command = yard.store.append, commands[2]

    def raced(request: Append) -> Appended:
        """Another event arrives at the worst moment."""
        if request.facts and request.facts[0].kind == "ended":
            send(yard, 2, append)
        return append(request)

    yard.store.append = raced
    assert planner_after(command) is first
    assert [entry.data["covers"] for entry in yard.entries("frame")][-1] > yard.entries("signal")[-1].seq


@workflow
def strands_beside_a_question(ctx: Context[dict[str, int]]) -> Child:
    return Parallel[Approval("ok", title="Fine?"), strands.function(ctx)]


def test_who_may_be_answered_at_any_moment_has_company_until_then(yard: Yard) -> None:
    yard.start(strands_beside_a_question)
    yard.fetch()
    plans = yard.codes[CODE]
    assert plans.of("r").has_company
    plans.of("r").forget()
    with plans.locked("r", None) as run:
        plans.rebuilt(run)
    assert plans.of("r").waits == {("ok", "")}

    yard.decide("ok", approved=True)
    yard.fetch()
    assert plans.of("r").waits == set()


def send(yard: Yard, cause: int, append: Callable[[Append], Appended] | None = None) -> None:
    fact = Sent("news", {"n": cause}, None, "ann", cause).fact
    assert (append or yard.store.append)(Append("r", (fact,))).outcomes == ("stored",)
