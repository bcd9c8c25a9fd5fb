"""The model itself: what its parts promise each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.graph import explore
from tests.model.invariants import broken
from tests.model.log import Log, append
from tests.model.protocol import begin, moves, take
from tests.model.records import Case, Entry, Faults, Node, Rules, State
from tests.model.scenarios import FAULTS, FLOWS, Scenario
from tests.model.walk import begin_walk, go


def test_equal_logs_are_one_object() -> None:
    log = Log(Case(FLOWS["chain"]))
    entry = Entry("started", "started")

    assert log.add(entry) is log.add(entry)
    assert log.add(entry).at(0) is log


def test_a_log_is_never_rewritten() -> None:
    case, first = Scenario("chain").begin(Rules())
    after = first._replace(log=Log(case).add(Entry("started", "another")))

    assert "no prefix" in broken(first, after)


@pytest.mark.parametrize("key", ["decided:p", "cancel"])
def test_a_key_is_stored_once(key: str) -> None:
    case, state = Scenario("approval").begin(Rules())
    while not state.log.view.waiting:
        state = take(case, next(moves(case, state)))
    entry = Entry(key.partition(":")[0], key, place="p")

    log, first = append(state.log, entry)

    assert (first, append(log, entry)[1]) == ("stored", "duplicate")


def test_a_decision_on_what_does_not_wait_is_rejected() -> None:
    _, state = Scenario("chain").begin(Rules())

    assert append(state.log, Entry("decided", "decided:a", place="a"))[1] == "rejected"


def test_a_run_without_faults_ends_in_one_way() -> None:
    result = explore(*Scenario("chain").begin(Rules()), relies_on=frozenset())

    assert (result.problem, result.finals) == ("", 1)


@pytest.mark.parametrize(
    ("kind", "faults", "may_fail"),
    [
        ("task", Faults(crash=4), False),
        ("task", Faults(crash=1, body=2), True),
        ("task", Faults(crash=3, body=1), False),
        ("child", Faults(crash=4), False),
        ("child", Faults(crash=1, body=2), False),
        ("child", Faults(body=3), True),
    ],
)
def test_three_deaths_fail_a_node_and_those_of_workers_count_until_it_runs_alone(
    kind: str, faults: Faults, may_fail: bool
) -> None:
    case = Case((Node("a", kind),), max_deaths=3)
    todo, seen = [begin(case, faults)], set[State]()
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += [take(case, move) for move in moves(case, state)]

    outcomes = {state.log.view.status for state in seen}
    assert outcomes == {"running", "finished"} | ({"failed"} if may_fail else set())


def test_walks_see_every_kind_of_move() -> None:
    walks = [go(begin_walk(seed, Rules())) for seed in range(1500)]
    seen = {str(label[0]) for walk in walks for label in walk.labels}

    people = {"approve", "deny", "follow", "cancel", "resume"}
    faults = {"crash", "body dies", "bell lost", "spurious ring", "continue as new", "redrive", "restart", "terminate"}
    server = {"deliver", "attach", "again", "lost", "never started", "timer", "child ends", "ring", "sweep", "look"}
    steps = {"finished", "finished+plan", "failed", "cancelled", "plan", "render fails", "answer", "take"}
    assert people | faults | server | steps <= seen
    assert set(FAULTS) == set(Faults._fields)


def test_the_document_explains_every_rule() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()

    assert [rule for rule in Rules._fields if f"[`{rule}`]" not in text] == []
