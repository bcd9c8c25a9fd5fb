"""A project is a folder: its runs, its local server and its workers live under `.smithers/` in it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
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
        """Part of task queue names. `SMITHERS_PROJECT`, or the name the folder had when a worker first ran in it."""
        name = os.environ.get("SMITHERS_PROJECT") or self._kept_name() or self.root.name
        return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "project"

    def keep_name(self) -> None:
        """Writes the name down, so that the project keeps it when its folder is renamed: what Temporal drives waits in
        queues that are called after it. Nothing where `SMITHERS_PROJECT` says it, or where that cannot be written."""
        if not os.environ.get("SMITHERS_PROJECT") and not self._kept_name():
            with suppress(OSError):
                self.state.mkdir(exist_ok=True)
                self._name_file.write_text(self.name + "\n")

    @property
    def _name_file(self) -> Path:
        return self.state / "name"

    def _kept_name(self) -> str:
        try:
            return self._name_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""

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
