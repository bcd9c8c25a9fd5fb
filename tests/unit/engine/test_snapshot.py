"""A state that was written down and read again is the state."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smithers.engine.entry import Entry
from smithers.engine.fold import fold
from smithers.engine.snapshot import NODE_UNPACKS, UNPACKS, pack, unpack
from smithers.engine.state import NodeMemory, State
from tests.unit.engine.trees import life

SEEDS = range(120)
AS_IT_WAS = {
    "str",
    "int",
    "bool",
    "Any",
    "list[Any] | None",
    "Json",
    "Json | None",
    "list[int] | None",
    "dict[str, list[int]]",
    "dict[str, int]",
    "dict[str, str]",
    "dict[str, Json]",
}
"""Types that JSON gives back as they were."""


def written_down(state: State) -> State:
    return unpack(from_json(to_json(pack(state))))


def stored(log: list[Entry]) -> list[Entry]:
    return [replace(entry, data=from_json(to_json(entry.data))) for entry in log]


@pytest.mark.feature("resume.snapshot")
def test_a_state_comes_back_as_it_was_wherever_the_log_is_cut() -> None:
    compared = 0
    for seed in SEEDS:
        run, _ = life(seed)
        if run is None:
            continue
        log = stored(run.log)
        whole = fold(State(run_id=run.run_id), log)
        for cut in {len(log), len(log) // 2, len(log) // 3, seed % len(log)}:
            state = fold(State(run_id=run.run_id), log[:cut])
            again = written_down(state)
            assert again == state, f"seed {seed}, cut {cut}"
            assert fold(again, log[cut:]) == whole, f"seed {seed}, cut {cut}"
            compared += 1
    assert compared > len(SEEDS)


def test_the_state_of_a_planner_that_stands_at_the_end_of_the_log_is_a_fold_of_it() -> None:
    for seed in SEEDS:
        run, _ = life(seed)
        if run is not None:
            folded = fold(State(run_id=run.run_id), run.log)
            assert written_down(run.planner.state) == written_down(folded), f"seed {seed}"


@pytest.mark.parametrize(("kind", "handled"), [(State, UNPACKS), (NodeMemory, NODE_UNPACKS)])
def test_every_field_survives_json_or_has_its_own_way_back(kind: type[Any], handled: dict[str, Any]) -> None:
    types = {field.name: field.type for field in fields(kind)}

    assert {name for name in types if name not in handled and types[name] not in AS_IT_WAS} == set()
