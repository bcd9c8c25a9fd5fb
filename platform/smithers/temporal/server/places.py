"""Where one project's local server keeps its files: `.smithers/server/`."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

DATABASE = "temporal.db"
"""Always named relative to the server's folder: Temporal files the name it was started with in its data, and a
project folder may move."""

LONGEST_SOCKET_PATH = 100
"""`sun_path` holds 108 bytes on Linux and 104 on macOS, the final zero included."""


@dataclass(frozen=True, slots=True)
class Places:
    folder: Path

    @classmethod
    def of(cls, project_state: Path) -> Places:
        return cls(project_state / "server")

    @property
    def lock(self) -> Path:
        """Locked by the supervisor for its whole life. Its inode is also how the supervisor knows its own folder."""
        return self.folder / "lock"

    @property
    def socket(self) -> Path:
        return self.folder / "supervisor.sock"

    @property
    def log(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def server_log(self) -> Path:
        return self.folder / "temporal.log"

    @property
    def state(self) -> Path:
        """Who runs now: for people and for `status`; no decision is based on it."""
        return self.folder / "state.json"

    @property
    def stamp(self) -> Path:
        """What the data was written by, and the last port."""
        return self.folder / "data.json"

    @property
    def database(self) -> Path:
        return self.folder / DATABASE


@contextmanager
def short_path(path: Path) -> Generator[str]:
    """Gives a path of the same file that fits into a socket address, through a short-lived link where needed."""
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        yield str(path)
        return
    import tempfile  # 3 ms, and seldom needed

    with tempfile.TemporaryDirectory(prefix="smithers-", dir=_short(tempfile.gettempdir())) as folder:
        link = Path(folder) / "s"
        link.symlink_to(path.parent)
        yield str(link / path.name)


def _short(folder: str) -> str:
    return folder if len(os.fsencode(folder)) < LONGEST_SOCKET_PATH - 50 else "/tmp"  # noqa: S108  (a new folder in it, of ours only)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replaces the file in one step: a reader sees the old or the new content, never half of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(value, indent=1) + "\n")
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The file's object; empty when it is missing or damaged (the stamp and the state can both be made again)."""
    try:
        value: object = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
