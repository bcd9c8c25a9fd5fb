from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.unit.cli.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Stage]:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "ann")
    monkeypatch.delenv("SMITHERS_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    made = Stage(tmp_path, capsys)
    yield made
    for store in made.opened:
        store.close()
