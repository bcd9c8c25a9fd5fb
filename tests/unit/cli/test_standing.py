"""What rows say keeps a node from beginning is what keeps the planner from beginning it, on generated trees."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from smithers.engine.frame import NodeRow
from smithers.engine.mounts import ACTIVE, IDLE, AspectsGroup, Leaf, place
from smithers.errors import SmithersError
from smithers.store.memory import MemoryStore
from smithers.store.records import NewRun, Run
from smithers.testing.memory_run import InMemoryRun
from smithers.views.held import held_node
from smithers.views.standing import RUN, Standing
from tests.unit.engine.trees import grown_workflow, happen

SEEDS = range(120)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """It knows the runs, and nothing of what is in flight in them."""
    store = MemoryStore()
    for run_id in ("test", "r1"):
        store.create_run(NewRun(run_id, "w", {}, "d" * 64, "flow.py"))
    yield store
    store.close()


def planned(leaf: Leaf) -> tuple[str, str]:
    """What the planner lets a pending leaf wait for, and in which group."""
    if leaf.status == IDLE:
        return "order", ""
    for group in leaf.ancestors() if leaf.ready else ():
        if any(parked is leaf for _, _, parked in group.parked):
            return "cap", place(group) if group.parent is not None else RUN
        if isinstance(group, AspectsGroup) and any(leaf is one for heap in group.unfunded.values() for *_, one in heap):
            return "budget", group.aspects.name
    return "dependency", ""


def pending(run: InMemoryRun) -> Iterator[tuple[Leaf, NodeRow]]:
    for key, leaf in run.planner.tree.leaves.items():
        row = run.nodes.get(key)
        if row is not None and row.state == "pending" and leaf.status in (IDLE, ACTIVE) and not leaf.is_halted:
            yield leaf, row


def moments(seed: int) -> Iterator[InMemoryRun]:
    """One life, whenever its tree stands as its rows say."""
    try:
        run, dice = InMemoryRun(grown_workflow(seed)), random.Random(seed)
        while not run.is_over and len(run.log) < 200:
            happen(run, dice)
            state = run.planner.state
            if not (run.planner.due or state.paused or state.cancelled or run.is_over):
                yield run
    except SmithersError:
        return


def agree(standing: Standing, leaf: Leaf, row: NodeRow) -> str:
    """The kind of what both say. Of several full caps either is true."""
    kind, where = planned(leaf)
    said = {reason.kind for reason in held_node(standing, row)}
    if kind == "order":
        assert said <= {"order", "dependency"}
    elif kind == "cap":
        assert said == {"cap"}
        cap = next(one for one in standing.caps(row) if one.group == where)
        assert len(standing.holders(cap)) >= cap.most
        assert row in standing.line(standing.full(row) or cap)
    elif kind == "budget":
        account = standing.short(row)
        assert (said, account and account.name) == ({"budget"}, where)
    else:
        assert kind in said
    return kind


def test_what_is_said_of_a_pending_node_is_what_the_planner_goes_by(store: MemoryStore) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        for run in moments(seed):
            state = run.planner.state
            record = Run(run.run_id, "w", run.status, 0, 0, 0, "", "", {}, state.options, 0, 0, None)
            standing = Standing(store, record, list(run.nodes.values()), states=[state])
            for leaf, row in pending(run):
                try:
                    seen[agree(standing, leaf, row)] += 1
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, {row}") from error
    assert min(seen[kind] for kind in ("order", "dependency", "cap", "budget")) >= 3, seen


def test_rows_that_do_not_say_where_they_stand_are_said_to_wait_for_their_turn(store: MemoryStore) -> None:
    """As versions before have written them."""
    rows = [NodeRow("a", "", "task", "running", 1), NodeRow("b", "", "task", "pending")]
    record = Run("r1", "w", "running", 0, 0, 0, "", "", {}, {}, 0, 0, None)
    standing = Standing(store, record, rows)

    [found] = held_node(standing, rows[1])

    assert (found.kind, found.command) == ("order", "smithers why r1")
    assert "At work or waiting now: a (ready, and waits for a worker)." in found.text
    assert standing.pending == []


@pytest.mark.parametrize("iteration", ["", "2.1"])
def test_the_command_to_look_at_another_node_names_its_iteration(store: MemoryStore, iteration: str) -> None:
    around = {"path": ".0"}
    before = NodeRow("a", iteration, "task", "running", 1, around=around)
    after = NodeRow("b", iteration, "task", "pending", around={"path": ".1"})
    record = Run("r1", "w", "running", 0, 0, 0, "", "", {}, {}, 0, 0, None)

    [found] = held_node(Standing(store, record, [before, after]), after)

    assert found.command == "smithers node a --run-id r1" + (f" --iteration {iteration}" if iteration else "")
