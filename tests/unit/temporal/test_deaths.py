"""The death of its process counts against a body; that of its worker does not, while the body runs in another one."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Parallel, Sequence, Task, call, workflow
from smithers.engine.command import Command
from smithers.engine.entry import Fact, Json, OpenRun
from smithers.errors import BodyDied, StoreUnavailable
from smithers.store.records import Append, Appended
from smithers.temporal import facts
from smithers.temporal.claims import MOST_LOST
from smithers.temporal.identity import Identity, Standing
from smithers.temporal.workshop import Delivery, HandOver
from tests.unit.temporal.conftest import Yard, die_in_body, gone, stop_before_bodies

pytestmark = pytest.mark.decision("0005")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def two(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]]


@workflow
def isolated(ctx: Context[dict[str, int]]) -> Child:
    return Task("a", output=Out, retries=0, isolated=True)[call(work, 1)]


def dies(_: Command) -> Json:
    raise BodyDied("gone", signal=SIGKILL)


def test_a_death_is_counted_and_the_body_then_runs_alone(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    die_in_body(yard, 1)
    other = yard.again()
    other.step(1, attempt=2)
    assert [entry.data["nth"] for entry in yard.entries("died")] == [1]
    assert other.bodies.ran == [("a", 2, True)]


def test_workers_that_go_away_again_and_again_are_counted_in_the_end(yard: Yard) -> None:
    yard.start(isolated)
    yard.fetch()
    for number in range(1, MOST_LOST + 1):
        die_in_body(yard, number, child=True)
    assert yard.entries("died") == []
    other = yard.again()
    other.step(1, attempt=MOST_LOST + 1, child=True)
    assert other.bodies.ran == []
    assert yard.ended()["a"]["error"]["code"] == "KILLED_WORKER"


def test_a_command_that_left_the_tree_before_its_body_could_begin_ends_as_cancelled(yard: Yard) -> None:
    @workflow
    def gives_up(ctx: Context[dict[str, int]]) -> Child:
        def part() -> Child:
            found = ctx.output_maybe(Out, "a")
            return Task("b", output=Out)[lambda: Out(n=1)] if found is None else Task("c", output=Out)[Out(n=1)]

        return Parallel[Task("a", output=Out)[call(work, 1)], part]

    yard.start(gives_up)
    yard.fetch()
    late = yard.again()
    yard.step(1)
    assert yard.store.node("r", "b").state == "cancelling"
    late.step(2)
    assert yard.ended()["b"]["outcome"] == "cancelled"
    assert late.bodies.ran == []


def test_a_hand_over_is_not_a_death(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    die_in_body(yard, 1)
    claim = yard.entries("claim")[-1].data
    yard.store.append(Append("r", (facts.claim_ended("released", claim, "test"),)))
    other = yard.again()
    other.step(1, attempt=2)
    assert other.bodies.ran == [("a", 2, False)]
    assert "died" not in yard.kinds()


def test_a_claim_of_our_own_process_without_a_body_is_no_death(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    stop_before_bodies(yard, StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        yard.step(1)
    del yard.shop.table.put
    yard.step(1, attempt=2)
    assert yard.kinds().count("released") == 1
    assert yard.bodies.ran == [("a", 2, False)]


def test_a_body_alone_that_takes_its_process_is_tried_until_it_has_killed_three(yard: Yard) -> None:
    yard.start(isolated)
    yard.fetch()
    yard.bodies.alone = dies
    yard.step(1, child=True)
    assert [delivery for _, delivery, _ in yard.bodies.ran] == [1, 2, 3]
    assert yard.kinds().count("died") == 3
    assert yard.ended()["a"]["error"]["code"] == "KILLED_WORKER"


def test_a_result_that_a_process_puts_down_as_it_dies_is_found(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the process sees it alive, then gone, and the result was written in between."""
    yard.start(two)
    yard.fetch()
    die_in_body(yard, 1)
    looks = 0

    def dies_having_ended_the_body(_: Identity) -> Standing:
        nonlocal looks
        looks += 1
        if looks == 2:
            yard.shop.spool.put("r", 1, 1, {"outcome": "finished", "output": {"n": 7}, "ms": 5000})
        return "alive" if looks == 1 else "gone"

    monkeypatch.setattr(Identity, "standing", dies_having_ended_the_body)
    other = yard.again()
    other.step(1, attempt=2)
    assert other.bodies.ran == []
    assert other.ended()["a"]["output"] == {"n": 7}
    assert "died" not in other.kinds()


def test_what_a_late_delivery_has_begun_does_not_end_as_if_nobody_had(yard: Yard) -> None:
    """A delivery that was given up claims the body of a cancelled task while the next one ends it without a body."""
    yard.start(two)
    yard.fetch()
    yard.store.append(Append("r", (Fact("cancel", "cancel", {"by": "x", "reason": ""}, OpenRun()),)))
    yard.fetch()
    append = yard.store.append

    def overtaken(request: Append) -> Appended:
        if any(fact.kind == "ended" for fact in request.facts) and not yard.entries("claim"):
            by = {"owner": 1, "since": 1000, "delivery": 1, "worker": gone(1)}
            append(Append("r", (facts.claim(yard.store.command("r", 1)[0].command, 1, by),)))
            yard.shop.spool.put("r", 1, 1, {"outcome": "finished", "output": {"n": 7}, "ms": 5000})
        return append(request)

    yard.store.append = overtaken
    yard.step(1, attempt=2)
    assert yard.bodies.ran == []
    assert yard.ended()["a"]["outcome"] == "finished"
    assert "rejected" not in yard.kinds()


def test_no_number_of_dead_workers_fails_a_task_that_ran_alone(yard: Yard) -> None:
    yard.start(isolated)
    yard.fetch()
    for attempt in range(1, 6):
        die_in_body(yard, attempt, child=True)
    other = yard.again()
    other.step(1, attempt=6, child=True)
    assert [entry.data["alone"] for entry in yard.entries("claim")] == [True] * 6
    assert (yard.kinds().count("died"), yard.kinds().count("released")) == (0, 5)
    assert "alone" in yard.entries("released")[0].data["why"]
    assert other.bodies.ran == [("a", 6, True)]
    assert yard.ended()["a"]["outcome"] == "finished"


def test_after_a_death_a_body_runs_alone_and_dead_workers_count_no_more(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    for attempt in range(1, 5):
        die_in_body(yard, attempt)
    other = yard.again()
    other.step(1, attempt=5)
    assert [entry.data.get("alone", False) for entry in yard.entries("claim")][:5] == [False, True, True, True, True]
    assert yard.kinds().count("died") == 1
    assert other.bodies.ran == [("a", 5, True)]


def test_deaths_of_workers_and_of_a_body_are_counted_apart(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    for attempt in (1, 2, 3):
        die_in_body(yard, attempt)
    other = yard.again()
    other.bodies.alone = dies
    answer = other.step(1, attempt=4)
    assert [delivery for _, delivery, _ in other.bodies.ran] == [4, 5]
    assert yard.ended()["a"]["error"]["code"] == "KILLED_WORKER"
    assert answer.done == "failed"


def test_a_claim_from_before_claims_said_who_runs_alone_still_counts(yard: Yard) -> None:
    yard.start(isolated)
    yard.fetch()
    die_in_body(yard, 1, child=True)
    claim = {key: value for key, value in yard.entries("claim")[0].data.items() if key != "alone"}
    assert facts.worker_lost(claim, "its process is gone").kind == "died"


@pytest.mark.parametrize("n", range(1, 4))
def test_settling_a_task_that_ran_alone_counts_no_death(yard: Yard, n: int) -> None:
    yard.start(isolated)
    yard.fetch()
    for number in range(1, n + 1):
        die_in_body(yard, number, attempt=1, n=number, child=True)
        yard.fetch(settle=(number,))
    assert (yard.kinds().count("died"), yard.kinds().count("released")) == (0, n)
    assert yard.step(n + 1, child=True).done == ""
    assert yard.ended()["a"]["outcome"] == "finished"


def test_a_process_that_is_told_to_end_together_with_its_worker_is_no_death(yard: Yard) -> None:
    """A system that shuts down tells every process, and the worker may hear of it last."""
    told: list[bool] = []

    def is_told(_: Command) -> Json:
        raise BodyDied("told to end", signal=SIGTERM)

    def stopping() -> bool:
        told.append(True)
        return len(told) > 2

    yard.start(isolated)
    yard.fetch()
    yard.bodies.alone = is_told
    with pytest.raises(HandOver):
        yard.give(yard.order(1), Delivery(yard.worker, stopping=stopping))
    assert (yard.kinds().count("died"), yard.kinds().count("released")) == (0, 1)


def test_a_body_that_tells_its_own_process_to_end_is_counted(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smithers.temporal.attempt.TOLD_S", 0.01)

    def is_told(_: Command) -> Json:
        raise BodyDied("told to end", signal=SIGTERM)

    yard.start(isolated)
    yard.fetch()
    yard.bodies.alone = is_told
    yard.step(1, child=True)
    assert yard.kinds().count("died") == 3
