"""Which behaviours are broken, and how: at random, the same for the same seed."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from scripts.mutations.changes import Change, changes
from scripts.mutations.trials import Behaviours

EQUIVALENT: Final = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True)
class Trial:
    row: str
    """The behaviour that is to break."""
    change: Change
    tests: tuple[str, ...]
    """All marked tests that carry the line out: those first that carry out little else."""


def equivalents(file: Path = EQUIVALENT) -> dict[tuple[str, str, str, str], str]:
    """Changes that change nothing anybody could see, and why."""
    found = tomllib.loads(file.read_text())["change"]
    return {(one["path"], one["function"], one["before"], one["after"]): one["why"] for one in found}


class Choice:
    def __init__(self, root: Path, behaviours: Behaviours, known: Mapping[tuple[str, str, str, str], str]) -> None:
        self.behaviours = behaviours
        self.root = root
        self.known = known
        self.changes: dict[str, list[Change]] = {}
        self.runs: Counter[tuple[str, int]] = Counter(
            (path, line) for by_path in behaviours.lines.values() for path, lines in by_path.items() for line in lines
        )
        """How many tests carry a line out."""

    def trials(self, count: int, seed: int) -> Iterator[Trial]:
        """For so many behaviours, one change that might break each. None is tried twice."""
        dice, tried = Random(seed), set[Change]()  # noqa: S311  a seed repeats it
        shown: dict[str, list[str]] = {}
        for test, rows in sorted(self.behaviours.rows.items()):
            for row in rows:
                shown.setdefault(row, []).append(test)
        for row in dice.sample(sorted(shown), len(shown)):
            change = self.one(dice, dice.choice(shown[row]), tried)
            if change is not None and len(tried) < count:
                tried.add(change)
                yield Trial(row, change, tuple(self.tests_of(change)))

    def one(self, dice: Random, test: str, tried: set[Change]) -> Change | None:
        """A change of a line that the test carries out, rather one that few others do."""
        lines = self.behaviours.lines.get(test, {})
        found = [one for path, at in sorted(lines.items()) for one in self.of(path) if one.line in set(at)]
        found = [one for one in found if one not in tried and one.identity not in self.known]
        if not found:
            return None
        weights = [1 / self.runs[one.path, one.line] ** 2 for one in found]
        return dice.choices(found, weights)[0]

    def of(self, path: str) -> list[Change]:
        if path not in self.changes:
            self.changes[path] = changes(path, (self.root / path).read_bytes())
        return self.changes[path]

    def tests_of(self, change: Change) -> Sequence[str]:
        lines = self.behaviours.lines
        found = [test for test, by_path in lines.items() if change.line in by_path.get(change.path, ())]
        return sorted(found, key=lambda test: (sum(map(len, lines[test].values())), test))
