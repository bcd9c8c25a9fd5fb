"""Facts: unique by key, checked for validity, stamped with a time that never goes down."""

from __future__ import annotations

import math
from typing import Any

import pytest

from smithers.engine.entry import Fact, NodeState, OpenCommand, OpenRun
from smithers.errors import StaleEpoch
from tests.conformance.store.conftest import Clock
from tests.conformance.store.make import (
    DIGEST,
    NOW,
    Maker,
    claimed,
    command,
    decided,
    died,
    ended,
    fact,
    node,
    settled,
)

pytestmark = pytest.mark.decision("0002")


def test_facts_take_the_next_positions_in_order(run: Maker) -> None:
    done = run.append(fact("a", x=1), fact("b"))

    assert done.outcomes == ("stored", "stored")
    assert [(entry.seq, entry.key) for entry in done.entries] == [(2, "a"), (3, "b")]
    assert (done.head, run.row.head) == (3, 3)
    assert run.log[1:] == list(done.entries)


def test_a_key_is_stored_once(run: Maker) -> None:
    run.append(fact("a", x=1))

    done = run.append(fact("a", x=2), fact("b"))

    assert done.outcomes == ("duplicate", "stored")
    assert [(entry.key, entry.data) for entry in run.log[1:]] == [("a", {"x": 1}), ("b", {})]


def test_a_key_twice_in_one_transaction_is_stored_once(run: Maker) -> None:
    assert run.append(fact("a"), fact("a")).outcomes == ("stored", "duplicate")
    assert run.row.head == 2


def test_runs_do_not_share_keys(run: Maker) -> None:
    other = Maker.start(run.store, "other")
    run.append(fact("a"))

    assert other.append(fact("a")).outcomes == ("stored",)


def test_a_fact_about_an_open_command_closes_it(run: Maker) -> None:
    run.plan(command(1), command(2, "test"))

    assert run.append(claimed(1)).outcomes == ("stored",)
    assert run.open == [1, 2]
    assert run.append(ended(1)).outcomes == ("stored",)
    assert run.open == [2]


def test_a_fact_about_a_closed_command_is_rejected(run: Maker) -> None:
    run.plan(command(1))
    run.append(fact("settled:1", ended(1).needs))

    assert run.append(ended(1)).outcomes == ("rejected",)
    assert run.append(claimed(7)).outcomes == ("rejected",)
    assert run.keys == ["started", "frame:1", "settled:1"]


def test_a_fact_brought_again_is_a_duplicate_not_rejected(run: Maker) -> None:
    run.plan(command(1))
    run.append(ended(1))

    assert run.append(ended(1), keep_rejected=True).outcomes == ("duplicate",)
    assert run.row.head == 3


def test_a_duplicate_does_not_close_a_command(run: Maker) -> None:
    run.plan(command(1), command(2))
    run.append(ended(1))

    done = run.append(ended(2))

    assert (done.outcomes, run.open) == (("duplicate",), [2])


def test_a_rejected_fact_can_be_kept_for_people(run: Maker) -> None:
    late = ended(4, output="lost")

    first, second = run.append(late, keep_rejected=True), run.append(late, keep_rejected=True)

    assert first.outcomes == second.outcomes == ("rejected",)
    kept = run.store.entries_by_key(run.id, f"rejected:{late.key}:")
    assert [entry.kind for entry in kept] == ["rejected", "rejected"]
    assert kept[0].data["entry"] == {"kind": "ended", "key": late.key, "data": late.data}
    assert kept[0].data["why"] == "there is no command 4"


@pytest.mark.parametrize("claims", [0, 1, 2])
def test_a_fact_about_the_newest_claim_closes_its_command(run: Maker, claims: int) -> None:
    run.plan(command(1), command(2, "test"))
    run.append(*(claimed(1, nth=nth + 1) for nth in range(claims)))

    assert run.append(died(1, claims), settled(1, claims)).outcomes == ("stored", "stored")
    assert run.open == [2]


@pytest.mark.parametrize("seen", [0, 1])
def test_a_fact_about_a_claim_that_is_not_the_newest_any_more_is_rejected(run: Maker, seen: int) -> None:
    run.plan(command(1))
    run.append(*(claimed(1, nth=nth + 1) for nth in range(seen + 1)))

    done = run.append(died(1, seen), settled(1, seen), keep_rejected=True)

    assert (done.outcomes, run.open) == (("rejected", "rejected"), [1])
    assert {entry.data["why"] for entry in done.entries} == {"the body of command 1 has been begun since"}


def test_a_fact_about_a_claim_of_another_node_or_attempt_is_not_in_the_way(run: Maker) -> None:
    run.plan(command(1), command(2, "build2"))
    run.append(claimed(2, "build2"), fact("claim:build:0:a10:1"), fact("claim:build:00:a1:1"))

    assert run.append(settled(1, 0)).outcomes == ("stored",)


def test_a_fact_about_the_newest_claim_needs_an_open_command_too(run: Maker) -> None:
    run.plan(command(1))
    run.append(claimed(1), ended(1))

    assert run.append(settled(1, 1), settled(7, 0, "test")).outcomes == ("rejected", "rejected")


@pytest.mark.feature("inbox.human.answeronce")
def test_a_decision_counts_only_while_the_node_waits_for_it(run: Maker) -> None:
    assert run.append(decided("ship")).outcomes == ("rejected",)
    run.plan(nodes=(node("ship", "waiting-approval"),))

    assert run.append(decided("ship"), decided("ship")).outcomes == ("stored", "duplicate")


@pytest.mark.feature("inbox.human.answeronce")
def test_what_stands_for_a_question_is_not_taken_once_the_question_is_answered(run: Maker) -> None:
    def vote(nth: int) -> Fact:
        needs = NodeState("ship", "0", ("waiting-approval",), unless="decided:ship:0")
        return Fact("voted", f"decided:ship:0~{nth}", {}, needs)

    run.plan(nodes=(node("ship", "waiting-approval"),))

    assert run.append(vote(1), decided("ship"), vote(2)).outcomes == ("stored", "stored", "rejected")


def test_a_decision_is_not_taken_on_top_of_what_was_said_since_it_was_read(run: Maker) -> None:
    def final(following: str) -> Fact:
        needs = NodeState("ship", "0", ("waiting-approval",), unless="decided:ship:0", following=following)
        return Fact("decided", "decided:ship:0", {"approved": True}, needs)

    run.plan(nodes=(node("ship", "waiting-approval"),))
    run.append(Fact("voted", "decided:ship:0~1"), Fact("withdrawn", "decided:ship:0~2"))

    assert run.append(final("decided:ship:0~2")).outcomes == ("rejected",)
    assert run.append(final("decided:ship:0~3")).outcomes == ("stored",)


def test_a_timer_of_a_question_brings_nothing_once_it_is_answered_and_stays_open(run: Maker) -> None:
    run.plan(command(1, "ship", kind="timer"), nodes=(node("ship", "waiting-approval"),))
    run.append(decided("ship"))

    late = Fact("reminded", "reminded:decided:ship:0~1", {}, OpenCommand(1, unless="decided:ship:0"))

    assert (run.append(late).outcomes, run.open) == (("rejected",), [1])


@pytest.mark.parametrize("status", ["finished", "failed", "cancelled"])
def test_a_run_that_has_ended_takes_no_fact_for_open_runs(run: Maker, status: str) -> None:
    run.plan(status=status)

    assert run.append(fact("cancel", OpenRun())).outcomes == ("rejected",)


def test_a_fact_for_open_runs_may_need_that_an_entry_is_not_there(run: Maker) -> None:
    pause = Fact("paused", "paused:1", {}, OpenRun(paused=False, unless="cancel"))
    run.append(fact("cancel"))

    assert run.append(pause).outcomes == ("rejected",)
    assert run.append(Fact("paused", "paused:1", {}, OpenRun(paused=False, unless="other"))).outcomes == ("stored",)


def test_following_changes_the_code_that_the_run_is_pinned_to(run: Maker) -> None:
    run.append(Fact("follow", "follow:e5", {"digest": "e5" * 32, "source": "/p/new.py"}))

    assert (run.row.digest, run.row.source) == ("e5" * 32, "/p/new.py")


def test_a_writer_of_an_older_epoch_stores_nothing(run: Maker) -> None:
    run.store.redrive(run.id)

    with pytest.raises(StaleEpoch):
        run.append(fact("a"), epoch=1)

    assert run.keys == ["started", "redriven:2"]
    assert run.append(fact("a"), epoch=2).outcomes == ("stored",)


def test_time_never_goes_down(run: Maker, clock: Clock) -> None:
    for now in (NOW + 10, NOW - 3_600_000, NOW + 20):
        clock.now = now
        run.append(fact(f"at {now}"))

    assert [entry.at_ms for entry in run.log] == [NOW, NOW + 10, NOW + 10, NOW + 20]
    assert run.row.updated_ms == NOW + 20


def test_nothing_stored_leaves_the_run_as_it_was(run: Maker, clock: Clock) -> None:
    before = run.row
    clock.now += 1000

    done = run.append(ended(9))

    assert (done.entries, done.head, run.row) == ((), 1, before)


def test_an_entry_says_which_code_wrote_it(run: Maker) -> None:
    run.append(fact("a"), code=DIGEST)
    run.append(fact("b"), code="e5" * 32)
    run.append(fact("c"))

    assert [entry.code for entry in run.log] == ["", DIGEST, "e5" * 32, ""]


@pytest.mark.parametrize(
    "value",
    [
        "nul \0 and \u2028 and 😀",
        "half a pair \ud83d",
        {"$blob": "not one"},
        2**70,
        0.1 + 0.2,
        [None, True, {"ключ": []}],
        "long " * 100_000,
    ],
    ids=["text", "surrogate", "reference", "big", "float", "nested", "long"],
)
def test_a_value_comes_back_as_it_was(run: Maker, value: Any) -> None:
    run.append(Fact("retried", "whole", value if isinstance(value, dict) else {"value": value}))
    run.append(fact("part", value=value))

    assert run.log[1].data == (value if isinstance(value, dict) else {"value": value})
    assert run.log[2].data == {"value": value}


def test_a_number_that_is_none_comes_back(run: Maker) -> None:
    run.append(fact("a", value=math.nan, other=math.inf))

    assert math.isnan(run.log[1].data["value"])
    assert run.log[1].data["other"] == math.inf


def test_entries_are_read_from_a_position_on(run: Maker) -> None:
    run.append(*(fact(f"k{number}") for number in range(5)))

    assert [entry.seq for entry in run.store.entries(run.id, after=3)] == [4, 5, 6]
    assert [entry.seq for entry in run.store.entries(run.id, after=1, limit=2)] == [2, 3]
    assert run.store.entries(run.id, after=6) == []


def test_entries_are_found_by_the_beginning_of_their_key(run: Maker) -> None:
    keys = ["claim:a:0:a1:2", "claim:a:0:a1:1", "claim:ab:0:a1:1", "claim:a:0:a10:1", "claim:A:0:a1:1", "claim:%:0"]
    run.append(*(fact(key) for key in keys))

    def found(prefix: str) -> list[str]:
        return [entry.key for entry in run.store.entries_by_key(run.id, prefix)]

    assert found("claim:a:0:a1:") == ["claim:a:0:a1:2", "claim:a:0:a1:1"]
    assert found("claim:%") == ["claim:%:0"]
    assert found("claim:") == keys
    assert found("nothing") == []
