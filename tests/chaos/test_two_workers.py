"""Two worker processes have the same run in hand, and both serve all that comes: nothing is done twice."""

from __future__ import annotations

import pytest

from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.chaos.watching import Watched

MIXED = {"rounds": 2, "chain": 40, "fan": 40, "flaky": 2, "asked": True, "pause": "100ms", "alone": 2, "each_ms": 15}


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("burst_s", ["0", "1"], ids=["a step per task", "bursts"])
def test_two_workers_share_a_run(here: Place, burst_s: str) -> None:
    here.env["SMITHERS_BURST_S"] = burst_s
    here.hold_server()
    first = here.up("storm", "r", **MIXED)
    second = here.begin("start", str(here.root / "storm.py"), log="start")
    with Watched(here, "r") as watched:
        until(lambda: here.workers_of(second), "there is another worker")
        assert watched.wait_for_end(90) == "finished"

        assert first.wait(30) == 0, here.told()
        assert watched.problems(most_extra=0) == []
