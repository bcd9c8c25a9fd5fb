"""Copies of the tree, and what tests say about a change in one of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from scripts.checks.tree import SHIPPED, from_git
from scripts.mutations.changes import Change

TESTS: Final = ("tests/unit", "tests/conformance")
PLUGIN: Final = ("-p", "scripts.mutations.listening", "--behaviours")
TEST_S: Final = 30
"""A test that takes so long has noticed: the change has made it hang."""
TRIAL_S: Final = 600
LISTEN_S: Final = 3600
EQUIVALENT: Final = "scripts/mutations/equivalent.toml"
FIRST: Final = 20
"""So many tests are tried by themselves first: who notices is mostly among them, and they are collected at once."""
GREEN: Final = (0, 5)
"""Exit statuses of pytest: all passed; none is marked."""
RED: Final = (1, 2, 4)
"""Exit statuses of pytest: a test failed; its file could not be imported any more; so that it was not found."""


Noticed = Literal["marked", "unmarked", "nobody"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a change."""

    noticed: Noticed
    test: str = ""
    """The first that turned red, with its error in short."""


@dataclass(frozen=True, slots=True)
class Behaviours:
    """What the marked tests show, and how."""

    rows: Mapping[str, Sequence[str]]
    """By test."""
    lines: Mapping[str, Mapping[str, Sequence[int]]]
    """By test and file: what is carried out."""

    @classmethod
    def read(cls, file: Path) -> Behaviours:
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def together(cls, several: Iterable[Behaviours]) -> Behaviours:
        rows: dict[str, Sequence[str]] = {}
        lines: dict[str, Mapping[str, Sequence[int]]] = {}
        for one in several:
            rows.update(one.rows)
            lines.update(one.lines)
        return cls(rows, lines)

    def of(self, path: str) -> Behaviours:
        """Those of one file with tests."""
        mine = f"{path}::"
        rows = {test: rows for test, rows in self.rows.items() if test.startswith(mine)}
        return Behaviours(rows, {test: lines for test, lines in self.lines.items() if test.startswith(mine)})


class Copy:
    """The tree in another place. The checkout itself is never changed."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        for path in from_git(root).files:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((root / path).read_bytes())
            target.chmod((root / path).stat().st_mode)

    def pytest(self, *words: str, limit_s: float = TRIAL_S) -> tuple[int, str]:
        """The exit status, and which test turned red."""
        paths = os.pathsep.join(str(self.folder / name) for name in SHIPPED)
        given = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *words]
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=given, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            return RED[0], f"all of them took more than {limit_s:g} s"
        red = (line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR ")))
        return done.returncode, next(red, "").partition(" ")[2]

    def listen(self, paths: Sequence[str]) -> Behaviours:
        """Runs every marked test of these files once, and notes what it carries out."""
        file = self.folder / "behaviours.json"
        status, red = self.pytest(*PLUGIN, str(file), "--lines", "--timeout", "300", *paths, limit_s=LISTEN_S)
        if status not in GREEN:
            raise SystemExit(f"the marked tests do not pass as they are (pytest ended with {status}): {red}")
        return Behaviours.read(file)

    def noticed_by(self, change: Change, tests: Sequence[str]) -> Verdict:
        """Who turns red: one of these tests, or, if none does, any other quick one of that package."""
        file = self.folder / change.path
        data = file.read_bytes()
        file.write_bytes(change.apply(data))
        others = self.folder / "tests" / "unit" / change.path.split("/")[2]
        unmarked = ("-k", "not temporal and not postgres", str(others))
        turns: list[tuple[Noticed, Sequence[str]]] = [("marked", tests[:FIRST])]
        if tests[FIRST:]:
            turns.append(("marked", tests[FIRST:]))
        if others.is_dir():
            turns.append(("unmarked", unmarked))
        try:
            for who, words in turns:
                status, test = self.pytest("--timeout", str(TEST_S), *words)
                if status in RED:
                    return Verdict(who, test)
            return Verdict("nobody")
        finally:
            file.write_bytes(data)


def digest(root: Path) -> str:
    """Of everything that decides who notices what."""
    return hashed(root, [path for path in from_git(root).files if path.startswith((*SHIPPED, "tests/", "scripts/"))])


def listened_to(root: Path) -> dict[str, str]:
    """By file with tests: a digest of all that decides what they carry out. What other tests do is no part of it."""
    around = (*SHIPPED, "tests/", "scripts/", "examples/")
    files = [path for path in from_git(root).files if path.startswith(around) and not path.endswith(EQUIVALENT)]
    tests = [path for path in files if is_tests(path)]
    others = hashed(root, sorted(set(files) - set(tests)))
    all_tests = hashed(root, tests)
    found: dict[str, str] = {}
    for path in (path for path in tests if path.startswith(TESTS)):
        leans_on_others = b".test_" in (root / path).read_bytes()
        found[path] = f"{others}-{all_tests if leans_on_others else ''}-{hashed(root, [path])}"
    return found


def is_tests(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_") and path.endswith(".py")


def hashed(root: Path, paths: Iterable[str]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(path.encode() + b"\0" + (root / path).read_bytes() + b"\0")
    return found.hexdigest()[:16]
