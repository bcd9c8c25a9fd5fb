"""Random walks through larger flows with more faults. A failing walk prints its seed and shrinks.

`SMITHERS_MODEL_WALKS` says how many, `SMITHERS_MODEL_SEED` where they begin.
"""

from __future__ import annotations

import os

import pytest

from tests.model.graph import without
from tests.model.records import Rules
from tests.model.walk import begin_walk, go, replay, shrink, size_of

FIRST = int(os.environ.get("SMITHERS_MODEL_SEED", "0"))
WALKS = int(os.environ.get("SMITHERS_MODEL_WALKS", "7000"))
PARTS = 4


@pytest.mark.timeout(max(120, WALKS // 50))
@pytest.mark.parametrize("part", range(PARTS))
def test_walks_break_nothing_and_end(part: int) -> None:
    for seed in range(FIRST + part, FIRST + WALKS, PARTS):
        walk = go(begin_walk(seed, Rules()))

        assert not walk.problem, f"\n{shrink(walk)}\n{walk}"


@pytest.mark.parametrize(
    ("dropped", "seed"), [("plan_cas", 9), ("settle_closes", 37), ("owner_answers", 95), ("look_up", 14)]
)
def test_a_walk_that_breaks_shrinks_to_a_smaller_one_that_breaks_too(dropped: str, seed: int) -> None:
    walk = go(begin_walk(seed, without(dropped)))
    shrunk = shrink(walk)

    assert walk.problem
    assert size_of(shrunk) <= size_of(walk)
    assert replay(shrunk).problem == shrunk.problem
    assert f"seed {seed}" in str(shrunk)


def test_a_seed_gives_the_same_walk_again() -> None:
    assert go(begin_walk(17, Rules())) == go(begin_walk(17, Rules()))
