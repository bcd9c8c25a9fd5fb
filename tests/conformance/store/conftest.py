"""One suite, three stores: a SQLite file, PostgreSQL, memory."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.sql_store import SqlStore
from tests.conformance.store.make import NOW, Maker
from tests.servers.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@dataclass
class Clock:
    """Stands still until it is set."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path / 'smithers.db'}"
        case "postgres":
            return request.getfixturevalue("postgres_url")
        case _:
            return "sqlite://"


@pytest.fixture
def store(url: str, clock: Clock) -> Generator[Store]:
    store = open_store(url, create=True)
    assert isinstance(store, SqlStore)
    store._now_ms = clock
    yield store
    store.close()


@pytest.fixture
def run(store: Store) -> Maker:
    """A run that was just started."""
    return Maker.start(store, "build-1")
