"""Which worker processes of this machine listen for a project's runs."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from smithers.project import Project
from smithers.temporal.server.places import short_path


@dataclass(frozen=True, slots=True)
class LocalWorker:
    pid: int
    socket: Path


def has_bells(project: Project) -> bool:
    """Whether any worker has put up a bell; it may be dead by now."""
    return any((project.state / "bells").glob("*.sock"))


def local_workers(project: Project) -> list[LocalWorker]:
    """Those whose bell answers a connection; a socket that a dead process left does not."""
    found = sorted((project.state / "bells").glob("*.sock"))
    return [LocalWorker(int(path.stem), path) for path in found if path.stem.isdigit() and answers(path)]


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(0.2)
        try:
            with short_path(path) as address:
                connection.connect(address)
        except OSError:
            return False
    return True
