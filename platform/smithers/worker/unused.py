"""Copies of old code that nobody needs any more: folders below `.smithers/code/` that can go.

A copy goes if no open run is pinned to its digest, no process holds it, nobody has asked for it lately (who has may be
loading it, or be one that does not say what it holds), and the store has its sources, so that it can be made again when
a run that has failed is resumed. What is no copy stays, whatever it is, except what a process has left that died while
it wrote one.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smithers.engine.entry import Json
from smithers.project import Project
from smithers.store.interface import Store
from smithers.worker import copies
from smithers.worker.held import held_anywhere
from smithers.worker.sources import COPY

LATELY_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Unused:
    folder: Path
    digest: str
    """Empty for what was never finished."""

    def wire(self) -> Json:
        return {"digest": self.digest or None, "folder": str(self.folder)}


def unused(project: Project, store: Store) -> list[Unused]:
    """What could be removed now, in the order of names."""
    return list(found(project, store, time.time() - LATELY_S))


def remove_unused(project: Project, store: Store) -> list[Unused]:
    """Removes them. Under the lock, so that nobody is given a copy that is on its way out."""
    if not folder_of(project).is_dir():
        return []
    with copies.locked(folder_of(project)):
        gone = unused(project, store)
        for one in gone:
            shutil.rmtree(one.folder, ignore_errors=True)
    return gone


def found(project: Project, store: Store, before_s: float) -> Iterator[Unused]:
    needed = {run.digest for run in store.due_runs()} | held_anywhere(project)
    for folder in sorted(folder_of(project).glob("*")):
        if folder.name.startswith(copies.NEW) and is_older(folder, before_s):
            yield Unused(folder, "")
        digest = digest_of(folder)
        if digest and digest not in needed and is_older(folder / COPY, before_s) and store.has_sources(digest):
            yield Unused(folder, digest)


def folder_of(project: Project) -> Path:
    return project.state / "code"


def digest_of(folder: Path) -> str:
    """Of a copy; empty for a folder that is none."""
    try:
        digest = json.loads((folder / COPY).read_text(encoding="utf-8")).get("digest")
    except (OSError, ValueError, AttributeError):
        return ""
    return digest if isinstance(digest, str) and folder.name == digest[: copies.SHORT] else ""


def is_older(path: Path, before_s: float) -> bool:
    try:
        return path.stat().st_mtime < before_s
    except OSError:
        return False
