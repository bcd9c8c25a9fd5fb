"""Where benchmarks run: a folder on a real disk, with one local Temporal server for both sides."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smithers.project import Project
from smithers.temporal import local

ROOT = Path(__file__).resolve().parents[2]
FLOWS = Path(__file__).parent / "flows"
SMITHERS = (sys.executable, "-m", "smithers.cli.main")


@dataclass(frozen=True)
class Place:
    """A project of its own. `scale` shrinks the work for a quick look; goals are for scale 1."""

    folder: Path
    rounds: int
    scale: float
    say: Callable[[str], None]

    @cached_property
    def project(self) -> Project:
        return Project(self.folder)

    @cached_property
    def server(self) -> local.LocalServer:
        return local.ensure(self.project, say=self.say)

    def sized(self, count: int) -> int:
        return max(2, round(count * self.scale))

    def fresh(self) -> Path:
        """A new folder, marked as a project of its own: otherwise the one above it would be taken."""
        folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=self.folder))
        (folder / ".smithers").mkdir()
        return folder


@contextmanager
def place(rounds: int, scale: float, say: Callable[[str], None]) -> Generator[Place]:
    """Below the checkout, not in a temporary folder: those may be in memory, and then a sync costs nothing."""
    above = ROOT / "build" / "bench"
    above.mkdir(parents=True, exist_ok=True)
    refuse_memory(above)
    folder = Path(tempfile.mkdtemp(prefix="p-", dir=above))
    made = Place(folder, rounds, scale, say)
    try:
        yield made
    finally:
        for state in [folder / ".smithers", *folder.glob("fresh-*/.smithers")]:
            if state.is_dir():
                local.stop(Project(state.parent))
        shutil.rmtree(folder, ignore_errors=True)


def refuse_memory(folder: Path) -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True)
    if kind.stdout.strip() in ("tmpfs", "ramfs"):
        raise SystemExit(f"bench: {folder} is in memory, where a sync costs nothing: use a checkout on a disk")
