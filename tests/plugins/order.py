"""Quick tests run first: a mistake shows within seconds, and what takes long runs last, one after another.

Tests run in one process: servers and workers they start use the second core.
"""

from __future__ import annotations

from typing import Final

import pytest

FOLDERS: Final = ("unit", "model", "typing", "conformance", "integration", "replay", "acceptance", "bench", "chaos")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = config.rootpath / "tests"

    def place(item: pytest.Item) -> tuple[int, bool]:
        folder = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        position = FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS) - 2
        return position, item.get_closest_marker("slow") is not None

    items.sort(key=place)
