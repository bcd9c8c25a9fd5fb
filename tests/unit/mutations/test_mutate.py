"""Behaviours are chosen by a seed, broken in a copy, and a test notices or does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.mutations.changes import Change, changes
from scripts.mutations.choosing import Choice, equivalents
from scripts.mutations.trials import Behaviours, Copy, listened_to
from tests.unit.checks.trees import plant

PATH = "platform/smithers/engine/sums.py"
FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["platform", "."]\nmarkers = ["feature(*ids): rows"]\n',
    "platform/smithers/__init__.py": "",
    "platform/smithers/engine/__init__.py": "",
    PATH: "def larger(a, b):\n    return a > b\n\ndef log(a):\n    return a - 1\n",
    "tests/unit/engine/test_sums.py": """
        import pytest
        from smithers.engine.sums import larger, log

        @pytest.mark.feature("sums.larger")
        def test_the_larger_one():
            assert not larger(2, 2)

        @pytest.mark.feature("sums.log")
        def test_that_looks_at_nothing():
            log(1)

        def test_that_is_not_marked():
            assert log(1) == 0
        """,
    "tests/conformance/test_none.py": "",
}
LINES = {
    "tests/unit/engine/test_sums.py::test_the_larger_one": {PATH: [1, 2]},
    "tests/unit/engine/test_sums.py::test_that_looks_at_nothing": {PATH: [4, 5]},
}
ROWS = {
    "tests/unit/engine/test_sums.py::test_the_larger_one": ["sums.larger"],
    "tests/unit/engine/test_sums.py::test_that_looks_at_nothing": ["sums.log"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path / "checkout", FILES).root


@pytest.fixture
def copy(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    monkeypatch.setattr("scripts.mutations.trials.from_git", lambda at: plant(at, {}))
    found = Copy(root, tmp_path / "copy")
    yield found
    found.close()


def test_a_seed_chooses_the_same_again(root: Path) -> None:
    choice = Choice(root, Behaviours(ROWS, LINES), {})

    first, again, other = (list(choice.trials(2, seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert {trial.row for trial in first} == {"sums.larger", "sums.log"}


def test_changes_that_cannot_be_noticed_are_left_out(root: Path) -> None:
    behaviours = Behaviours(ROWS, LINES)
    every = [one for seed in range(20) for one in Choice(root, behaviours, {}).trials(2, seed)]
    known = {one.change.identity: "why" for one in every}

    assert list(Choice(root, behaviours, known).trials(2, 1)) == []


def test_every_equivalent_change_has_a_reason() -> None:
    assert all(why.strip() for why in equivalents().values())


def test_the_equivalent_changes_are_still_there() -> None:
    root = Path(__file__).parents[3]
    for path, function, before, after in equivalents():
        there = {one.identity for one in changes(path, (root / path).read_bytes())}
        assert (path, function, before, after) in there, (
            f"{path}, {function}: {before} -> {after} is not needed any more"
        )


def test_what_was_heard_of_a_file_counts_until_the_file_or_the_code_changes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.mutations.trials.from_git", lambda at: plant(at, {}))
    sums, none = "tests/unit/engine/test_sums.py", "tests/conformance/test_none.py"
    before = listened_to(root)

    (root / none).write_text("x = 1\n")
    other_tests = listened_to(root)
    (root / PATH).write_text("def larger(a, b):\n    return a >= b\n")
    other_code = listened_to(root)

    assert before[sums] == other_tests[sums] != other_code[sums]
    assert len({before[none], other_tests[none], other_code[none]}) == 3


def test_what_was_heard_is_put_together_and_taken_apart_by_file() -> None:
    both = Behaviours({"a.py::test_x": ["r"], "b.py::test_y": ["s"]}, {"a.py::test_x": {PATH: [1]}})

    assert both.of("a.py") == Behaviours({"a.py::test_x": ["r"]}, {"a.py::test_x": {PATH: [1]}})
    assert Behaviours.together([both.of("a.py"), both.of("b.py")]) == both


@pytest.mark.slow
def test_a_change_is_noticed_in_a_copy_or_not(root: Path, copy: Copy) -> None:
    """The plugin is not part of the small tree, so what is carried out is given here."""
    trials = list(Choice(root, Behaviours(ROWS, LINES), {}).trials(2, 3))

    verdicts = {trial.row: copy.noticed_by(trial.change, trial.tests) for trial in trials}

    assert {row: verdict.noticed for row, verdict in verdicts.items()} == {
        "sums.larger": "marked",
        "sums.log": "unmarked",
    }
    assert verdicts["sums.log"].test.startswith("tests/unit/engine/test_sums.py::test_that_is_not_marked - ")
    assert (root / PATH).read_text() == (copy.folder / PATH).read_text() == FILES[PATH]


SLOW = """
import time
from smithers.engine.sums import larger, log

def test_that_takes_long_in_any_case():
    time.sleep(log(5))

def test_that_ends_soon():
    while larger(1, 1):
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("test", "red"), [("test_that_takes_long_in_any_case", False), ("test_that_ends_soon", True)])
def test_a_test_that_hangs_has_noticed_and_one_that_is_slow_by_itself_has_not(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, test: str, red: bool
) -> None:
    monkeypatch.setattr("scripts.mutations.trials.TEST_S", 3)
    file = "tests/unit/engine/test_slow.py"
    plant(copy.folder, {file: SLOW})

    assert bool(copy.red(change(copy, "a > b"), (f"{file}::{test}",))) == red


@pytest.mark.slow
def test_a_change_that_is_as_long_as_what_was_there_is_seen(copy: Copy) -> None:
    """Bytecode that is kept goes by hashes."""
    tests = ("tests/unit/engine/test_sums.py::test_that_is_not_marked",)

    assert [bool(copy.red(change(copy, before), tests)) for before in ("1", "a > b", "1")] == [True, False, True]


def change(copy: Copy, before: str) -> Change:
    found = changes(PATH, (copy.folder / PATH).read_bytes())
    return next(one for one in found if one.before == before)
