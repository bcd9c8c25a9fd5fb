"""Two worker processes have the same run in hand, and both serve all that comes: nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.chaos.watching import Watched

SHAPES = {
    "a burst": {"chain": 150, "each_ms": 2},
    "a sequence": {"chain": 60, "each_ms": 30},
    "side by side": {"chain": 2, "fan": 80, "each_ms": 60},
    "alone": {"chain": 2, "alone": 6, "each_ms": 300},
    "mixed": {"rounds": 3, "chain": 20, "fan": 12, "flaky": 2, "asked": True, "pause": "100ms", "each_ms": 15},
}


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("shape", SHAPES)
def test_two_workers_share(here: Place, shape: str) -> None:
    given: dict[str, Any] = SHAPES[shape]
    here.hold_server()
    if shape == "a sequence":
        here.env["SMITHERS_BURST_S"] = "0"
    first = here.up("storm", "r", **given)
    second = here.begin("start", str(here.root / "storm.py"), log="r")
    with Watched(here, "r") as watched:
        until(lambda: here.workers_of(second), "there is another worker")
        assert watched.wait_for_end(90) == "finished"

        assert first.wait(30) == 0, here.said("r")
        assert watched.problems(most_extra=0) == []
