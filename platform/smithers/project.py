"""A project is a folder: its runs, its local server and its workers live under `.smithers/` in it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    root: Path
    """Absolute, resolved."""

    @property
    def state(self) -> Path:
        """Everything the platform keeps; made by the first command that needs it, never by one that only reads."""
        return self.root / ".smithers"

    @property
    def name(self) -> str:
        """Part of task queue names. `SMITHERS_PROJECT`, or the folder's name."""
        name = os.environ.get("SMITHERS_PROJECT") or self.root.name
        return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "project"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL: `SMITHERS_DATABASE_URL`, or a SQLite file in the project."""
        return os.environ.get("SMITHERS_DATABASE_URL") or f"sqlite:///{self.state / 'smithers.db'}"

    @property
    def temporal_address(self) -> str:
        """`host:port` of a server that is there, from `TEMPORAL_ADDRESS`; empty means the local one."""
        return os.environ.get("TEMPORAL_ADDRESS", "")

    @property
    def namespace(self) -> str:
        return os.environ.get("TEMPORAL_NAMESPACE", "default")


def find_project(start: Path | None = None) -> Project:
    """The nearest folder, from `start` (default: the current one) upwards, that has a `.smithers` or a
    `smithers.toml`; else `start`."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".smithers").is_dir() or (folder / "smithers.toml").is_file():
            return Project(folder)
    return Project(here)
