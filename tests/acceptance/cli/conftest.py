from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.acceptance.cli.running import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()
