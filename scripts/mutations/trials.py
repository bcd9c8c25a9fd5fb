"""Copies of the tree, and what tests say about a change in one of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from scripts.checks.tree import SHIPPED, from_git
from scripts.mutations.changes import Change

TESTS: Final = ("tests/unit", "tests/conformance")
WORDS: Final = ("-q", "-x", "-p", "no:cacheprovider", "--no-header")
PLUGIN: Final = ("-p", "scripts.mutations.listening", "--behaviours")
STARTER: Final = Path(__file__).with_name("starter.py")
TEST_S: Final = 30
"""A test that takes so long has noticed, if it takes less than a third of it as it is: the change has made it hang."""
SLOW_S: Final = 300
"""The same where the machine is so busy that tests take long by themselves."""
TIMEOUT: Final = " - Failed: Timeout ("
TRIAL_S: Final = 1800
LISTEN_S: Final = 3600
LISTENER: Final = "scripts/mutations/listening.py"
FIRST: Final = 20
"""So many tests are tried by themselves first: who notices is mostly among them, and they are collected at once."""
GREEN: Final = (0, 5)
"""Exit statuses of pytest: all passed; none was chosen."""
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

    @cached_property
    def starter(self) -> subprocess.Popen[str]:
        """Bytecode is kept with a hash of its source, or a change of the same length and second would not be seen."""
        paths = [str(self.folder / name) for name in SHIPPED]
        kept = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", *filter(os.path.isdir, paths))
        subprocess.run([sys.executable, *kept], check=True)
        given = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "300"}
        command = [sys.executable, "-P", str(STARTER)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=given, stdin=pipe, stdout=pipe, text=True)

    def close(self) -> None:
        """Lets go of the process that starts pytest."""
        with self.starter as running:
            running.kill()

    def pytest(self, *words: str, limit_s: float = TRIAL_S) -> tuple[int | None, str]:
        """The exit status, None where it took too long; and which test turned red."""
        output, running = self.folder / "pytest.out", self.starter
        assert running.stdin is not None
        assert running.stdout is not None
        request = {"words": [*WORDS, *words], "output": str(output), "limit_s": limit_s}
        running.stdin.write(json.dumps(request) + "\n")
        running.stdin.flush()
        status = json.loads(running.stdout.readline())
        lines = output.read_text(errors="replace").splitlines()
        red = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
        return status, next(red, "").partition(" ")[2]

    def listen(self, paths: Sequence[str]) -> Behaviours:
        """Runs every marked test of these files once, and notes what it carries out."""
        if not paths:
            return Behaviours({}, {})
        file = self.folder / "behaviours.json"
        status, red = self.pytest(*PLUGIN, str(file), "--lines", "--timeout", "300", *paths, limit_s=LISTEN_S)
        if status not in GREEN:
            raise SystemExit(f"the marked tests do not pass as they are (pytest ended with {status}): {red}")
        return Behaviours.read(file)

    def noticed_by(self, change: Change, tests: Sequence[str], marked: Collection[str] | None = ()) -> Verdict:
        """Who turns red: one of these tests, or, if none does, any other quick one of that package: they are left out
        where it is not said which of them are marked."""
        folders = (self.folder / name / change.path.split("/")[2] for name in TESTS)
        others = [str(folder) for folder in folders if folder.is_dir()]
        turns = [tests[:FIRST], tests[FIRST:]]
        if others and marked is not None:
            turns.append(("-k", "not temporal and not postgres", *without(tests), *others))
        for words in filter(None, turns):
            red = self.red(change, words)
            if red:
                by_mark = words in turns[:2] or red.partition(" - ")[0] in (marked or ())
                return Verdict("marked" if by_mark else "unmarked", red)
        return Verdict("nobody")

    def red(self, change: Change, words: Sequence[str]) -> str:
        """The test that turns red when something is changed, twice; empty if none does."""
        limit_s = TEST_S
        while True:
            status, test = self.broken(change, limit_s, words)
            if status not in RED:
                return ""
            name = test.partition(TIMEOUT if TIMEOUT in test else " - ")[0]
            if TIMEOUT in test and limit_s < SLOW_S and not self.is_quick(name):
                limit_s = SLOW_S
            elif not name or self.broken(change, limit_s, (name,))[0] in RED:
                return test or f"pytest ended with {status}"
            else:  # it fails now and then
                words = (*words, *without((name,)))

    def broken(self, change: Change, test_s: int, words: Sequence[str]) -> tuple[int | None, str]:
        file = self.folder / change.path
        data = file.read_bytes()
        file.write_bytes(change.apply(data))
        try:
            return self.pytest("--timeout", str(test_s), *words)
        finally:
            file.write_bytes(data)

    def is_quick(self, test: str) -> bool:
        """Whether a test that took too long would not, by far, if nothing was changed: the machine may be busy."""
        return self.pytest("--timeout", str(TEST_S // 3), test)[0] in GREEN


def without(tests: Iterable[str]) -> list[str]:
    return [word for test in tests for word in ("--deselect", test)]


def digest(root: Path) -> str:
    """Of everything that decides who notices what."""
    return hashed(root, [path for path in from_git(root).files if path.startswith((*SHIPPED, "tests/", "scripts/"))])


def listened_to(root: Path) -> dict[str, str]:
    """By file with tests: a digest of all that decides what they carry out. What other tests do is no part of it."""
    around = (*SHIPPED, "tests/", "scripts/", "examples/")
    files = [path for path in from_git(root).files if path.startswith(around) and not is_mine(path)]
    tests = [path for path in files if is_tests(path)]
    others = hashed(root, sorted(set(files) - set(tests)))
    all_tests = hashed(root, tests)
    found: dict[str, str] = {}
    for path in (path for path in tests if path.startswith(TESTS)):
        leans_on_others = b".test_" in (root / path).read_bytes()
        found[path] = f"{others}-{all_tests if leans_on_others else ''}-{hashed(root, [path])}"
    return found


def is_mine(path: str) -> bool:
    """Whether it belongs to what chooses changes and tries them. What tests carry out does not depend on that."""
    return path.startswith("scripts/mutations/") and path != LISTENER


def is_tests(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_") and path.endswith(".py")


def hashed(root: Path, paths: Iterable[str]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(path.encode() + b"\0" + (root / path).read_bytes() + b"\0")
    return found.hexdigest()[:16]
