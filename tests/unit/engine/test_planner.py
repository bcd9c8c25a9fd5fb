"""How planners of several processes keep up with one log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smithers import Loop, Task
from smithers.engine.entry import Entry
from smithers.engine.plan import Outdated, Planner
from smithers.engine.state import NodeMemory
from smithers.errors import SmithersError
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import number, start
from tests.unit.engine.trees import Out, grown_workflow, happen

pytestmark = pytest.mark.decision("0004")


def as_stored(entries: list[Entry]) -> list[Entry]:
    """Entries as they come back from a database, with the frame's owner."""
    stored = [Entry(e.seq, e.kind, e.key, from_json(to_json(e.data)), e.at_ms, e.code) for e in entries]
    for entry in stored:
        if entry.kind == "frame":
            entry.data["owner"] = 1
    return stored


def lives(seeds: range, watch: Callable[[InMemoryRun], None]) -> None:
    """Runs grown workflows one event at a time, and shows each to `watch` after every event."""
    for seed in seeds:
        dice = random.Random(seed)
        try:
            run = InMemoryRun(grown_workflow(seed), run_id=f"run-{seed}")
            while not run.is_over and len(run.log) < 150:
                happen(run, dice)
                watch(run)
        except SmithersError:
            continue


def accepted(seeds: range) -> Iterator[InMemoryRun]:
    """Grown workflows whose tree is not refused."""
    for seed in seeds:
        with suppress(SmithersError):
            yield InMemoryRun(grown_workflow(seed))


def test_a_planner_follows_frames_that_another_process_has_planned() -> None:
    followers: dict[str, Planner] = {}
    outdated: list[str] = []

    def follow(run: InMemoryRun) -> None:
        planner = followers.get(run.run_id)
        if planner is None:
            followers[run.run_id] = Planner.build(run.workflow, run.run_id, as_stored(run.log))
            return
        try:
            planner.apply(as_stored(run.log))
        except Outdated:
            outdated.extend([run.run_id] if run.log[planner.position].kind not in ("retried", "resumed") else [])
            planner = followers[run.run_id] = Planner.build(run.workflow, run.run_id, as_stored(run.log))
        assert planner.state.by_command == run.planner.state.by_command
        assert sorted(planner.tree.leaves) == sorted(run.planner.tree.leaves) or run.planner.due

    lives(range(60), follow)

    assert not outdated


def test_a_frame_that_cannot_be_planned_again_makes_a_planner_outdated() -> None:
    run = next(run for run in accepted(range(10)) if run.work)
    planner = Planner.build(run.workflow, run.run_id, run.log[:1])
    other = Entry(2, "frame", "frame:1", {**run.log[1].data, "commands": []}, 0)

    with pytest.raises(Outdated):
        planner.apply([other])


class Counted(dict[str, NodeMemory]):
    """Notes whenever somebody goes through all of it."""

    looks: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("keys", "values", "items"):
            self.looks += 1
        return super().__getattribute__(name)

    def __iter__(self) -> Iterator[str]:
        self.looks += 1
        return super().__iter__()


def test_a_pass_costs_the_same_however_many_were_before() -> None:
    run = start(Loop("l", until=lambda: False, max_iterations=None)[Task("a", output=Out)[Out]])
    for _ in range(3):
        run.finish(number(run, "a"), Out())
    nodes = Counted(run.planner.state.nodes)
    run.planner.state.nodes = nodes
    for _ in range(3):
        run.finish(number(run, "a"), Out())

    assert sorted(nodes) == [f"a:{turn}" for turn in range(7)]
    assert nodes.looks == 1, "by this test alone"
