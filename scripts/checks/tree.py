"""The files that checks look at, parsed once."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SHIPPED = ("platform", "activities", "sandboxes", "observability")
"""Folders whose packages go into the distribution; each is a root of imports."""
LOOKED_AT = (*SHIPPED, "scripts", "tests", "examples")


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    """Relative to the root, with slashes."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def folder(self) -> str:
        return self.path.partition("/")[0]

    @property
    def module(self) -> str:
        """Its import name, from the root of imports it lies in; `smithers.flow` for that package's `__init__`."""
        parts = self.path.removesuffix(".py").split("/")
        if self.folder in SHIPPED:
            parts = parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Tree:
    """A repository as checks see it."""

    root: Path
    files: tuple[str, ...]
    """Everything that is or would be under version control, sorted."""

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        return tuple(
            Source(path, (self.root / path).read_text("utf-8"))
            for path in self.files
            if path.endswith(".py") and path.partition("/")[0] in LOOKED_AT
        )

    def texts(self) -> Iterator[tuple[str, str]]:
        """Path and content of every file that is text."""
        for path in self.files:
            data = (self.root / path).read_bytes()
            if b"\0" in data[:8000]:
                continue
            yield path, data.decode("utf-8", "replace")


def from_git(root: Path) -> Tree:
    """Tracked files, and new ones that are not ignored: a check must not pass because of a forgotten `git add`."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    return of(root, [path for path in listed if path and (root / path).is_file()])


def of(root: Path, files: Sequence[str]) -> Tree:
    return Tree(root, tuple(sorted(set(files))))


def from_folder(root: Path) -> Tree:
    """Every file below a folder, for trees that are not under version control."""
    return of(root, [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()])
