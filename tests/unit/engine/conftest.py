"""What tests of elements share: one run in three modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.modes import TemporalMode, run_in
from tests.servers.temporal import shared


@pytest.fixture(params=["warm", "cold", "temporal"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a tree with the planner kept, with the planner built anew after every event, and on real Temporal."""
    real = None
    if request.param == "temporal":
        monkeypatch.setenv("TEMPORAL_ADDRESS", request.getfixturevalue("server"))
        real = request.getfixturevalue("temporal_mode")
    return run_in(request.param, real)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with shared() as address:
        yield address


@pytest.fixture(scope="module")
def temporal_mode() -> Iterator[TemporalMode]:
    """A project of the module's own; the server is shared with the other modules."""
    with TemporaryDirectory(prefix="modes-") as folder:
        yield TemporalMode(Path(folder))


@pytest.fixture(params=[False, True], ids=["warm", "cold"])
def rebuild(request: pytest.FixtureRequest) -> bool:
    return request.param
