"""Which worker processes of this machine listen for a project's runs."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from smithers.project import Project
from smithers.store.records import Run


@dataclass(frozen=True, slots=True)
class LocalWorker:
    name: str
    socket: Path


def local_workers(project: Project) -> list[LocalWorker]:
    """Those whose bell answers a connection; a socket that a dead process left does not."""
    found = sorted((project.state / "bells").glob("*.sock"))
    return [LocalWorker(path.stem, path) for path in found if answers(path)]


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(0.2)
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def carrier(project: Project, run: Run, workers: list[LocalWorker] | None = None) -> str:
    """What will carry a run on, as one sentence."""
    if local_workers(project) if workers is None else workers:
        return "A worker of this project is running and goes on with it now."
    return (
        f"No worker is running here: `smithers up --resume {run.run_id}` goes on with it, "
        "and so does any `smithers start` in this project."
    )
