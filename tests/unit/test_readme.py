"""The example that newcomers copy from the read-me works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smithers.testing.simulate import simulate
from smithers.worker.code import LoadedCode, load

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def travel(tmp_path: Path) -> LoadedCode:
    """The example, in a file as a newcomer would write it."""
    match = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert match is not None
    file = tmp_path / "travel.py"
    file.write_text(match[1], "utf-8")
    return load(file)


def test_the_example_waits_for_its_approval_and_then_finishes(travel: LoadedCode) -> None:
    given = {"cities": ["Oslo", "Lisbon"]}

    waiting = simulate(travel.workflow, given)
    finished = simulate(travel.workflow, given, decisions={"travel": True})

    assert waiting.waiting == ["travel"]
    assert finished.status == "finished"
    assert finished.run.output(travel.resolve("travel:Plan"), "book", "").city == "Lisbon"
