"""Tests name decisions that there are: `@pytest.mark.decision("0024")` shows what docs/decisions/0024-*.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = {file.name[:4] for file in FOLDER.glob("[0-9]*.md")}
    for item in items:
        for mark in item.iter_markers("decision"):
            unknown = [number for number in mark.args if number not in known]
            if unknown or not mark.args:
                raise pytest.UsageError(
                    f"{item.nodeid}: no decision has the number {', '.join(unknown) or '(none given)'}"
                )
