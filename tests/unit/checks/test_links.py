"""Links that lead nowhere are found, in whichever way they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.links import anchors, check
from tests.unit.checks.trees import plant

THERE = {"docs/design.md": "# Design\n\n## 1. What `it` is\n", "README.md": "# Read me\n", "docs/img/a.png": ""}


def broken(root: Path, text: str) -> list[str]:
    return [finding.message for finding in check(plant(root, {**THERE, "docs/a.md": text})).findings]


@pytest.mark.parametrize(
    "text",
    [
        "[x](missing.md)",
        "![x](img/b.png)",
        "[x](../missing/)",
        "[x](design.md#3-what)",
        "[x](#nowhere)",
        "[x]: missing.md",
        "[x](../../outside.md)",
        '[x](missing.md "a title")',
    ],
)
def test_a_dead_link_is_found(tmp_path: Path, text: str) -> None:
    assert len(broken(tmp_path, f"# Here\n\n{text}\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[x](design.md)",
        "[x](design.md#1-what-it-is)",
        "[x](../README.md#read-me)",
        "[x](/docs/design.md)",
        "[x](img)",
        "[x](#here)",
        "[x](https://example.org/missing.md)",
        "[x](mailto:a@example.org)",
        "`[x](missing.md)`",
        "```\n[x](missing.md)\n```",
    ],
)
def test_a_living_link_is_let_through(tmp_path: Path, text: str) -> None:
    assert broken(tmp_path, f"# Here\n\n{text}\n") == []


def test_a_finding_names_the_line(tmp_path: Path) -> None:
    (finding,) = check(plant(tmp_path, {"a.md": "```\ncode\n```\n\n[x](missing.md)\n"})).findings

    assert finding.line == 5


def test_repeated_headings_are_numbered() -> None:
    assert anchors("# A\n## A\n## B, c & d!\n") == {"a", "a-1", "b-c--d"}
