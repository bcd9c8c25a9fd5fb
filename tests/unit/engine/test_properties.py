"""What must hold for every tree and every order of events. Seeds are plain numbers, so that a failure can be run again
by itself: `life(SEED)`."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic_core import from_json, to_json

from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.plan import Outdated, Planner
from smithers.errors import SmithersError
from smithers.flow.workflow import AnyWorkflow
from smithers.testing.memory_run import InMemoryRun
from tests.unit.engine.overtaken import OvertakenRun
from tests.unit.engine.shifting import shifting_workflow
from tests.unit.engine.trees import grown_workflow, happen, life, told

pytestmark = pytest.mark.decision("0004")

SEEDS = range(250)
FINAL = ("finished", "failed", "cancelled", "continued")


def alive(seed: int) -> tuple[InMemoryRun, random.Random] | None:
    try:
        return InMemoryRun(grown_workflow(seed)), random.Random(seed)
    except SmithersError:
        return None


@pytest.mark.feature("ctx.durable")
@pytest.mark.parametrize("grow", [grown_workflow, shifting_workflow])
def test_warm_planner_makes_the_frames_of_a_cold_one(grow: Callable[[int], AnyWorkflow]) -> None:
    compared = 0
    for seed in SEEDS:
        warm, events = life(seed, grow=grow)
        cold, same = life(seed, rebuild=True, grow=grow)
        assert events == same, f"seed {seed}"
        if warm is None or cold is None:
            assert warm is cold
            continue
        assert told(warm) == told(cold), f"seed {seed}"
        compared += 1
    assert compared > len(SEEDS) * 0.7


MEANWHILE = UNPLANNED_KINDS - {"started", "resumed", "follow", "redriven"} | {"paused"}
"""What may be stored behind what a plan covers and before its frame. A run that has failed has no plan under way, and
code and epochs are for the simulation: plans of others are refused."""


@pytest.mark.timeout(240)
@pytest.mark.feature("ctx.durable")
def test_facts_between_a_plan_and_its_frame_mean_the_same_to_a_warm_planner_and_a_cold_one() -> None:
    seen: Counter[str] = Counter()
    for grow, seeds in ((grown_workflow, SEEDS[:50]), (shifting_workflow, SEEDS[:200])):
        for seed in seeds:
            warm, events = life(seed, grow=grow, kind=OvertakenRun)
            cold, same = life(seed, rebuild=True, grow=grow, kind=OvertakenRun)
            assert events == same, f"seed {seed}"
            if warm is None or cold is None:
                assert warm is cold
                continue
            assert told(warm) == told(cold), f"seed {seed}"
            assert isinstance(warm, OvertakenRun)
            seen += warm.overtaken
    assert seen.keys() >= MEANWHILE, sorted(MEANWHILE - seen.keys())


@pytest.mark.feature("ctx.durable")
def test_a_planner_that_was_built_before_some_facts_plans_as_one_that_was_built_after_them() -> None:
    """A worker that takes over builds its planner first and ends its task then."""
    for seed in SEEDS[:200]:
        run, _ = life(seed)
        if run is None:
            continue
        frames = [entry for entry in run.log if entry.kind == "frame"]
        for before, frame in pairwise(frames):
            facts = run.log[before.seq : frame.data["covers"]]
            early = Planner.build(run.workflow, run.run_id, run.log[: before.seq])
            try:
                early.apply(facts)
            except Outdated:
                continue
            plan = early.plan()
            assert plan is not None
            assert from_json(to_json(plan.frame)) == from_json(to_json(frame.data)), (
                f"seed {seed}, frame {frame.data['number']}"
            )


@pytest.mark.feature("render.fresh")
def test_warm_tree_is_the_cold_tree_after_every_event() -> None:
    for seed in SEEDS[:100]:
        started = alive(seed)
        if started is None:
            continue
        run, dice = started
        while not run.is_over and len(run.log) < 200:
            try:
                happen(run, dice)
            except SmithersError:
                break
            state = run.planner.state
            if run.planner.due or state.paused is not None or state.is_leaving or run.is_over:
                continue  # the warm tree moves when it plans, and a run that is being cancelled does not render
            cold = Planner.build(run.workflow, run.run_id, run.log)
            assert list(cold.tree.leaves) == sorted(run.planner.tree.leaves, key=list(cold.tree.leaves).index), (
                f"seed {seed}"
            )


@pytest.mark.feature("exec.once")
def test_no_task_starts_twice_and_commands_have_no_gaps() -> None:
    for seed in SEEDS:
        run, _ = life(seed)
        if run is None:
            continue
        commands = [command for plan in run.plans for command in plan.commands]
        assert [command.n for command in commands] == list(range(1, len(commands) + 1)), f"seed {seed}"
        lost = {entry.data["n"] for entry in run.log if entry.kind == "settled"}
        starts = [
            (c.node, c.iteration, c.attempt)
            for c in commands
            if c.kind in ("run", "child", "subflow") and c.n not in lost
        ]
        assert len(starts) == len(set(starts)), f"seed {seed}"


def test_a_run_that_is_not_over_can_go_on() -> None:
    """Every state that is not final has something in flight, timed or answerable; so every life ends."""
    for seed in SEEDS:
        run, happened = life(seed, most=2000)
        if run is None:
            continue
        assert run.status in FINAL, f"seed {seed} after {len(happened)} events: {run.status}"
        assert not run.work, f"seed {seed} ended with work in flight"


@pytest.mark.feature("parallel.maxConcurrency")
def test_caps_of_groups_hold() -> None:
    for seed in SEEDS[:200]:
        started = alive(seed)
        if started is None:
            continue
        run, dice = started
        while not run.is_over and len(run.log) < 200:
            groups = [g for leaf in run.planner.tree.leaves.values() for g in leaf.ancestors() if g.cap is not None]
            assert all(group.running <= (group.cap or 0) for group in groups), f"seed {seed}"
            try:
                happen(run, dice)
            except SmithersError:
                break


def test_earlier_frames_are_a_prefix_of_later_ones() -> None:
    """A planner built from any prefix of the log makes the next frame that the log already has."""
    for seed in SEEDS[:60]:
        run, _ = life(seed)
        if run is None:
            continue
        for plan in run.plans:
            before = [entry for entry in run.log if entry.seq <= plan.covers]
            again = Planner.build(run.workflow, run.run_id, before).plan()
            assert again is not None
            assert again.frame == plan.frame, f"seed {seed}, frame {plan.number}"


DIGEST = """
import hashlib, json
from tests.unit.engine.trees import life
lives = [life(seed) for seed in range(60)]
text = json.dumps([[plan.frame for plan in run.plans] for run, _ in lives if run], sort_keys=False)
print(hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.mark.feature("render.determinism")
@pytest.mark.parametrize("seeds", [("0", "1"), ("7", "12345")])
def test_frames_do_not_depend_on_the_hash_seed(seeds: tuple[str, str]) -> None:
    root = Path(__file__).parents[3]

    def digest(hash_seed: str) -> str:
        env = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{root}:{root / 'platform'}"}
        ran = subprocess.run(
            [sys.executable, "-c", DIGEST], env=env, cwd=root, capture_output=True, text=True, check=True
        )
        return ran.stdout

    assert digest(seeds[0]) == digest(seeds[1])
