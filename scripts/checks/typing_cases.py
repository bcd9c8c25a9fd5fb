"""Expected type errors: files in `tests/typing` say in comments what pyright must find in them.

`# expect: reportArgumentType` at the end of a line means that pyright reports an error of that rule there; several are
divided by commas. Every error without a comment and every comment without an error is a finding, so that the files
show both what is refused and what is let through.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from scripts.checks.finding import Finding

EXPECT: Final = re.compile(r"#\s*expect:\s*([\w, ]+?)\s*$")
FOLDER: Final = "tests/typing/"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error that pyright reports."""

    path: str
    line: int
    rule: str
    message: str


def expected(path: str, text: str) -> Iterator[tuple[str, int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = EXPECT.search(line)
        for rule in re.split(r"[,\s]+", match[1]) if match else ():
            yield path, number, rule


def compare(diagnostics: Iterable[Diagnostic], wanted: Iterable[tuple[str, int, str]]) -> tuple[Finding, ...]:
    """Findings for errors nobody expects, and for expected errors that pyright does not see."""
    missing = Counter(wanted)
    findings: list[Finding] = []
    for one in diagnostics:
        key = (one.path, one.line, one.rule)
        if missing[key] > 0:
            missing[key] -= 1
        else:
            findings.append(Finding(one.path, one.line, f"{one.message} ({one.rule})"))
    for path, line, rule in missing.elements():
        findings.append(Finding(path, line, f"pyright sees no {rule} here, and should"))
    return tuple(sorted(findings))
