"""Plans: stored when they follow on what is planned and have seen what they say; facts stay in any case."""

from __future__ import annotations

import pytest

from smithers.engine.command import Command
from smithers.engine.entry import Fact
from smithers.errors import CommandNotFound, NodeNotFound, StoreError
from smithers.store.records import OpenCommandRow
from tests.conformance.store.conftest import Clock
from tests.conformance.store.make import DIGEST, NOW, Maker, claimed, command, decided, ended, fact, node, plan

pytestmark = pytest.mark.decision("0002")


def test_a_plan_moves_the_planned_position(run: Maker) -> None:
    run.append(fact("a"))

    done = run.append(fact("b"), plan=plan(0, 2))

    assert done.planned
    assert (run.row.planned, run.row.head) == (2, 4)
    assert (done.entries[-1].kind, done.entries[-1].data["covers"]) == ("frame", 2)


def test_a_plan_that_follows_on_something_else_is_not_stored(run: Maker) -> None:
    run.append(plan=plan(0, 1))

    done = run.append(fact("a"), plan=plan(0, 1, 2, (command(1),), nodes=(node("build", "running"),)))

    assert (done.planned, done.outcomes) == (False, ("stored",))
    assert (run.open, run.store.nodes(run.id), run.row.planned) == ([], [], 1)


def test_a_plan_of_other_code_is_not_stored(run: Maker) -> None:
    assert not run.append(plan=plan(0, 1, digest="e5" * 32)).planned
    assert run.append(plan=plan(0, 1, digest=DIGEST)).planned


def test_a_plan_from_before_a_reset_is_not_stored(run: Maker) -> None:
    run.append(fact("a"))
    run.append(Fact("retried", "retried:build:0:1", {"node": "build", "iteration": "0"}))

    assert not run.append(plan=plan(0, 2)).planned
    assert run.append(plan=plan(0, 3)).planned


def test_a_plan_that_answers_what_somebody_has_answered_is_not_stored(run: Maker) -> None:
    run.append(plan=plan(0, 1, nodes=(node("ask", "waiting-approval"), node("other", "waiting-approval"))))
    run.append(decided("ask"))

    assert not run.append(plan=plan(1, 2, 2, unless=("decided:ask:0",))).planned
    assert run.append(plan=plan(1, 2, 2, unless=("decided:other:0",))).planned


def test_a_plan_cannot_cover_what_is_not_there(run: Maker) -> None:
    assert not run.append(plan=plan(0, 2)).planned


def test_a_plan_ahead_covers_the_facts_it_comes_with(run: Maker) -> None:
    done = run.append(fact("a"), fact("b"), plan=plan(0, -1), head_seen=1)

    assert done.planned
    assert (run.row.planned, run.log[-1].data["covers"]) == (3, 3)


def test_a_plan_ahead_is_not_stored_when_others_have_written(run: Maker) -> None:
    run.append(fact("other"))

    done = run.append(fact("a"), plan=plan(0, -1), head_seen=1)

    assert (done.planned, done.outcomes, done.head) == (False, ("stored",), 3)


def test_a_plan_ahead_among_claims_covers_them_too(run: Maker) -> None:
    run.append(plan=plan(0, 1, 1, (command(1), command(2, "test"), command(3, "ship"))))
    run.append(claimed(1), claimed(2, "test"))
    run.append(claimed(3, "ship"))

    done = run.append(ended(1), ended(2, "test"), plan=plan(1, -1, 2), head_seen=4, among_claims=True)

    assert done.planned
    assert [entry.seq for entry in done.entries] == [6, 7, 8]
    assert (run.row.planned, run.log[-1].data["covers"]) == (7, 7)


@pytest.mark.parametrize("between", [fact("x"), claimed(3, "ship", nth=2)], ids=["fact", "second claim"])
def test_a_plan_ahead_among_claims_is_not_stored_when_more_than_that_came(run: Maker, between: Fact) -> None:
    run.append(plan=plan(0, 1, 1, (command(1), command(3, "ship"))))
    run.append(claimed(1), claimed(3, "ship"))
    run.append(between)

    done = run.append(ended(1), plan=plan(1, -1, 2), head_seen=4, among_claims=True)

    assert (done.planned, done.outcomes) == (False, ("stored",))


def test_a_plan_ahead_of_a_head_that_is_not_there_is_not_stored(run: Maker) -> None:
    assert not run.append(fact("a"), plan=plan(0, -1), head_seen=7, among_claims=True).planned


def test_what_need_not_be_synced_is_there_for_everybody(run: Maker) -> None:
    run.append(plan=plan(0, 1, 1, (command(1),)))
    run.append(claimed(1), synced=False)
    run.append(ended(1))

    assert [entry.kind for entry in run.log[-2:]] == ["claim", "ended"]


@pytest.mark.feature("plan.commit.atomic")
def test_a_plan_ahead_is_not_stored_when_a_fact_is_not(run: Maker) -> None:
    run.append(fact("a"))

    assert not run.append(fact("a"), plan=plan(0, -1), head_seen=2).planned
    assert not run.append(ended(5), plan=plan(0, -1), head_seen=2).planned
    assert not run.append(ended(5), plan=plan(0, -1), head_seen=2, keep_rejected=True).planned


def test_what_follows_from_a_plan_is_stored_after_it(run: Maker) -> None:
    done = run.append(
        fact("a"), plan=plan(0, -1, 1, (command(1),)), head_seen=1, after=(claimed(1), claimed(2, "test"))
    )

    assert done.outcomes == ("stored", "stored", "rejected")
    assert [entry.kind for entry in done.entries] == ["signal", "frame", "claim"]
    assert (run.row.planned, run.row.head, run.open) == (2, 4, [1])


@pytest.mark.feature("plan.commit.atomic")
def test_what_follows_from_a_plan_is_skipped_without_it(run: Maker) -> None:
    run.plan(command(1))

    done = run.append(fact("a"), plan=plan(0, 1, 2), after=(claimed(1),))

    assert (done.planned, done.outcomes) == (False, ("stored", "skipped"))


def test_commands_carry_epoch_and_owner(run: Maker) -> None:
    run.store.redrive(run.id)
    whole = Command(1, "run", "build", "2.1", 2, timeout_ms=9, burst=True, payload={"prompt": "x"})
    ending = Command(2, "complete", payload={"output": None})

    run.plan(whole, ending, owner=7)

    assert run.store.command(run.id, 1) == (OpenCommandRow(whole, 2, 7), True)
    assert run.store.command(run.id, 2) == (OpenCommandRow(ending, 2, 7), True)


def test_open_commands_come_by_number_without_payload(run: Maker) -> None:
    run.plan(command(1, payload={"a": 1}), command(2), owner=0)
    run.plan(command(3), number=2, owner=2)
    run.append(fact("settled:2", ended(2).needs))

    found = run.store.open_commands(run.id)

    assert [(row.command.n, row.owner, row.command.payload) for row in found] == [(1, 0, None), (3, 2, None)]
    assert [row.command.n for row in run.store.open_commands(run.id, above=1)] == [3]
    assert [row.command.n for row in run.store.open_commands(run.id, owner=0)] == [1]


def test_a_closed_command_can_still_be_read(run: Maker) -> None:
    run.plan(command(1, payload={"a": 1}))
    run.plan(number=2, closed=(1,))

    row, is_open = run.store.command(run.id, 1)

    assert (row.command.payload, is_open, run.open) == ({"a": 1}, False, [])
    with pytest.raises(CommandNotFound):
        run.store.command(run.id, 2)


def test_a_delay_counts_from_the_transaction(run: Maker, clock: Clock) -> None:
    clock.now += 100

    run.plan(command(1, delay_ms=5_000), command(2, due_ms=42), command(3, due_ms=42, delay_ms=7), command(4))

    assert [row.command.due_ms for row in run.store.open_commands(run.id)] == [NOW + 5_100, 42, NOW + 107, 0]


def test_a_large_payload_comes_back_whole(run: Maker) -> None:
    payload = {"prompt": "x" * 500_000}

    run.plan(command(1, payload=payload), command(2, payload=payload))

    assert run.store.command(run.id, 2)[0].command.payload == payload


@pytest.mark.feature("plan.commit.atomic")
def test_a_command_number_is_taken_once_and_nothing_is_stored_in_part(run: Maker) -> None:
    run.plan(command(1))
    before = (run.row, run.log)

    with pytest.raises(StoreError):
        run.append(fact("a"), plan=plan(1, 2, 2, (command(1),)))

    assert (run.row, run.log) == before


def test_a_frame_number_is_taken_once(run: Maker) -> None:
    run.plan()

    with pytest.raises(StoreError):
        run.append(plan=plan(1, 2, 1))

    assert run.row.planned == 1


@pytest.mark.feature("data.t.nodes")
def test_nodes_keep_when_they_began_and_when_they_ended(run: Maker, clock: Clock) -> None:
    times: list[tuple[int, int]] = []
    for number, state in enumerate(
        ["pending", "waiting-approval", "running", "failed", "failed", "running", "finished"], 1
    ):
        clock.now = NOW + number
        run.plan(number=number, nodes=(node("build", state, label=f"try {number}"),))
        row = run.store.node(run.id, "build")
        times.append((row.first_ms and row.first_ms - NOW, row.ended_ms and row.ended_ms - NOW))

    assert times == [(0, 0), (2, 0), (2, 0), (2, 4), (2, 4), (2, 0), (2, 7)]


@pytest.mark.feature("data.t.nodes")
def test_the_last_write_of_a_node_wins(run: Maker) -> None:
    run.plan(nodes=(node("build", "pending", detail={"output": "Patch"}),))
    last = node("build", "ready", attempt=2, label="Build \0it", ordinal=3, detail=None)

    run.plan(number=2, nodes=(last,))

    row = run.store.node(run.id, "build")
    assert (row.state, row.attempt, row.label, row.ordinal, row.detail) == ("ready", 2, "Build ␀it", 3, None)


@pytest.mark.parametrize("detail", [None, {}, {"output": "Patch"}])
def test_what_is_around_a_node_is_kept_beside_its_detail(run: Maker, detail: dict[str, str] | None) -> None:
    around = {"path": ".0|1", "needs": ["plan"], "caps": [{"group": "0", "id": "", "kind": "parallel", "most": 2}]}
    run.plan(nodes=(node("build", "pending", detail=detail, around=around),))

    row = run.store.node(run.id, "build")

    assert (row.detail or {}, row.around) == (detail or {}, around)
    run.plan(number=2, nodes=(node("build", "cancelling", kind=""),))
    assert run.store.node(run.id, "build").around == around, "it has left the tree: only its state changes"
    run.plan(number=3, nodes=(node("build", "finished", detail=detail),))
    last = run.store.node(run.id, "build")
    assert (last.detail or {}, last.around) == (detail or {}, None)


def test_nodes_come_in_the_order_of_the_tree(run: Maker) -> None:
    rows = [("b", "0", 2), ("a", "10", 1), ("a", "9", 1), ("a", "2.10", 1), ("a", "2.9", 1)]
    run.plan(nodes=tuple(node(name, "pending", iteration, ordinal=ordinal) for name, iteration, ordinal in rows))

    found = [(row.node, row.iteration) for row in run.store.nodes(run.id)]

    assert found == [("a", "2.9"), ("a", "2.10"), ("a", "9"), ("a", "10"), ("b", "0")]
    assert run.store.node(run.id, "a").iteration == "10"
    assert run.store.node(run.id, "a", "2.9").iteration == "2.9"


def test_an_unknown_node_is_refused_with_the_nearest_ids(run: Maker) -> None:
    run.plan(nodes=(node("review", "pending"), node("tag", "pending")))

    with pytest.raises(NodeNotFound, match="Did you mean 'review'"):
        run.store.node(run.id, "reveiw")
    with pytest.raises(NodeNotFound, match="no iteration '7'"):
        run.store.node(run.id, "review", "7")


def test_a_node_that_left_the_tree_changes_its_state_only(run: Maker) -> None:
    run.plan(nodes=(node("build", "pending", label="Build", ordinal=2**50, detail={"output": "Patch"}),))

    run.plan(number=2, nodes=(node("build", "unmounted", kind=""),))

    row = run.store.node(run.id, "build")
    assert (row.state, row.kind, row.label, row.ordinal) == ("unmounted", "task", "Build", 2**50)


def test_nodes_that_wait_for_somebody_are_found_in_the_order_of_the_tree(run: Maker) -> None:
    states = {"late": "waiting-event", "build": "running", "first": "waiting-approval", "nap": "waiting-timer"}
    order = {"late": 3, "build": 1, "first": 2, "nap": 4}
    run.plan(nodes=tuple(node(name, state, ordinal=order[name]) for name, state in states.items()))

    assert [one.node for one in run.store.asked(run.id)] == ["first", "late"]
    assert run.store.asked("no-such-run") == []
