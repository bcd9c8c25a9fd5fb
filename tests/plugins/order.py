"""In one process quick tests run first: a mistake shows within seconds, and what takes long runs last.

Side by side (`scripts/test`) unit tests come first, too. Then comes what takes longest, so that both processes end at
about the same time: a file stays in one process, and nothing long may be left for the end.
"""

from __future__ import annotations

from typing import Final

import pytest

FOLDERS: Final = ("unit", "model", "typing", "conformance", "integration", "replay", "acceptance", "bench", "chaos")
SIDE_BY_SIDE: Final = ("unit", "slow", "acceptance", "simulation", "model", "chaos", "typing", "integration")
"""The rest follows: their files take a few seconds each."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = config.rootpath / "tests"

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""

    def place(item: pytest.Item) -> tuple[int, bool]:
        name = folder(item)
        position = FOLDERS.index(name) if name in FOLDERS else len(FOLDERS) - 2
        return position, item.get_closest_marker("slow") is not None

    def turn(item: pytest.Item) -> int:
        name = "slow" if item.get_closest_marker("slow") else folder(item)
        return SIDE_BY_SIDE.index(name) if name in SIDE_BY_SIDE else len(SIDE_BY_SIDE)

    items.sort(key=turn if hasattr(config, "workerinput") else place)
