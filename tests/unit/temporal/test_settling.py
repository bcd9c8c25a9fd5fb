"""What ended without an answer is settled, unless somebody is at it by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Task, call, workflow
from smithers.store.records import Append, Appended
from tests.unit.temporal.conftest import Yard, die_in_body

pytestmark = pytest.mark.decision("0005")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def one(ctx: Context[dict[str, int]]) -> Child:
    return Task("a", output=Out)[call(work, 1)]


@pytest.fixture
def lost(yard: Yard) -> Yard:
    """Its first step has claimed, and its process is gone."""
    yard.start(one)
    yard.fetch()
    die_in_body(yard, 1)
    return yard


def before_settling(yard: Yard, act: Callable[[], object]) -> None:
    """Does something once, between what a fetch has read and what it stores."""
    append = yard.store.append

    def act_first(request: Append) -> Appended:
        if any(fact.kind == "settled" for fact in request.facts):
            yard.store.append = append
            act()
        return append(request)

    yard.store.append = act_first


def test_a_body_that_a_later_driver_begins_meanwhile_is_left_alone(lost: Yard) -> None:
    before_settling(lost, lambda: die_in_body(lost, 2, since=5000))
    lost.fetch(settle=(1,), since=1000)
    assert lost.entries("settled") == []
    assert [entry.data["nth"] for entry in lost.entries("died")] == [1]
    assert lost.store.command("r", 1)[1]


def test_a_body_that_the_same_driver_has_begun_meanwhile_is_settled_with_its_newest_claim(lost: Yard) -> None:
    before_settling(lost, lambda: die_in_body(lost, 2, since=1000))
    lost.fetch(settle=(1,), since=1000)
    assert [entry.data["n"] for entry in lost.entries("settled")] == [1]
    assert [entry.data["nth"] for entry in lost.entries("died", "released")] == [1, 2]


def test_a_command_that_is_ended_meanwhile_is_not_settled(lost: Yard) -> None:
    before_settling(lost, lambda: lost.again().step(1, attempt=2))
    lost.fetch(settle=(1,))
    assert lost.entries("settled") == []
    assert lost.ended()["a"]["outcome"] == "finished"
    assert lost.status() == "finished"


def test_what_the_driver_says_besides_is_stored_once(lost: Yard) -> None:
    before_settling(lost, lambda: die_in_body(lost, 2, since=1000))
    lost.fetch(settle=(1,), cancel="driver-1")
    assert lost.kinds().count("cancel") == 1
    assert lost.kinds().count("settled") == 1
