"""Workers are killed at random moments. What was stored never runs again, and every run comes to its end."""

from __future__ import annotations

import random

import pytest

from tests.chaos.killing import Killer
from tests.chaos.place import Place, early_continue

KILLS = 20
EVENTS = 60
"""After so many, a driver continues as new."""


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_twenty_kills_lose_nothing_and_double_nothing(here: Place) -> None:
    here.env["SMITHERS_TEMPORAL_CLI"] = early_continue(here.root, EVENTS)
    given = {"rounds": 2, "chain": 60, "fan": 8, "flaky": 1, "asked": True, "pause": "300ms", "alone": 2, "each_ms": 10}

    report = Killer(here, random.Random(20), given).until(KILLS)

    print(report.summary())
    assert report.problems == []
    assert len(report.kills) == KILLS
