"""Places for tests that do harm. Whatever a test has started is gone when it ends, or the test fails."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from smithers.temporal.server import binary
from tests.chaos.place import Place, place
from tests.missing import missing
from tests.servers.postgres import Cluster, running


@pytest.fixture
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "SMITHERS_")) and name != "SMITHERS_TEMPORAL_CLI":
            monkeypatch.delenv(name)
    if binary.at_hand() is None:
        missing("temporal", "no Temporal binary; `python -m smithers.temporal.server.binary` gets one")


@pytest.fixture
def here(quiet_environment: None) -> Generator[Place]:
    with place() as made:
        yield made


@pytest.fixture
def cluster() -> Generator[Cluster]:
    """One of our own: others use the session's."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def there(quiet_environment: None, cluster: Cluster) -> Generator[Place]:
    """A place whose store is PostgreSQL."""
    with place(SMITHERS_DATABASE_URL=cluster.database()) as made:
        yield made
