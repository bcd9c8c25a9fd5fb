"""A process that ran a worker ends with the right status, every time: the SDK's native parts must not crash at exit."""

from __future__ import annotations

import pytest

from tests.chaos.leaving import exits
from tests.chaos.place import Place

TIMES = 15


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_fifteen_exits_in_a_row_are_right(here: Place) -> None:
    found = exits(here, TIMES)

    print(found.summary())
    assert found.problems == []
    assert found.statuses == [0] * TIMES
