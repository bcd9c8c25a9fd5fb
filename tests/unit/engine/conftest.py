"""What tests of elements share: one run in three modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.modes import TemporalMode, run_in


@pytest.fixture(params=["warm", "cold", "temporal"])
def run(request: pytest.FixtureRequest) -> Any:
    """Runs a tree with the planner kept, with the planner built anew after every event, and on real Temporal."""
    real = request.getfixturevalue("temporal_mode") if request.param == "temporal" else None
    return run_in(request.param, real)


@pytest.fixture(scope="module")
def temporal_mode() -> Iterator[TemporalMode]:
    with TemporaryDirectory(prefix="modes-") as folder:
        yield TemporalMode(Path(folder))


@pytest.fixture(params=[False, True], ids=["warm", "cold"])
def rebuild(request: pytest.FixtureRequest) -> bool:
    return request.param
