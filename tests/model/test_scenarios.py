"""The protocol as it is breaks nothing: every state that each scenario can reach is looked at.

`SMITHERS_MODEL_SIZE=big` explores some hundred more, for hours.
"""

from __future__ import annotations

import os

import pytest

from tests.model.graph import explore
from tests.model.records import Rules
from tests.model.scenarios import SIZES, Scenario

SIZE = os.environ.get("SMITHERS_MODEL_SIZE", "small")


@pytest.mark.timeout(120 if SIZE == "small" else 7200)
@pytest.mark.parametrize("scenario", SIZES[SIZE], ids=str)
def test_nothing_breaks_and_the_end_stays_in_reach(scenario: Scenario) -> None:
    result = explore(*scenario.begin(Rules()), scenario.relies_on)

    assert result.complete
    assert result.finals
    assert not result.problem, result
