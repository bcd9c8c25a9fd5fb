"""Several processes write to one SQLite file: none is told that it is locked, and none starves."""

from __future__ import annotations

import pytest

from tests.chaos.crowding import crowd
from tests.chaos.place import Place

SECONDS = 8.0


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_burst_a_crowd_a_writer_and_a_follower_share_a_file(here: Place) -> None:
    found = crowd(here, SECONDS)

    print(found.summary())
    assert found.problems == []
    assert found.writer["count"] > 0
