"""`smithers stop`: ends what runs for this project on this machine. Runs stay."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.project import Project, find_project
from smithers.worker.listening import LocalWorker, local_workers


def command(
    limit_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for workers to drain.")] = 20.0,
    form: FormOption = Form.plain,
) -> int:
    """Stops the workers of the project (they drain first), then its local Temporal server.

    Runs stay where they are, and go on when a worker does.
    """
    out = Out(form)
    project = find_project()
    workers = local_workers(project)
    left = drain(project, workers, limit_s)
    was_there = stop_server(project)
    if out.is_json:
        document = {"workers": [worker.pid for worker in workers], "left": left, "server": was_there}
        out.document(document)
        return 1 if left else 0
    out.note(f"{len(workers)} worker{'' if len(workers) == 1 else 's'} asked to stop." if workers else "No worker ran.")
    out.note("The local Temporal server is stopped." if was_there else "No local Temporal server ran.")
    if left:
        pids = ", ".join(map(str, left))
        out.note(f"Still there after {limit_s:g} s: {pids}. `kill -9` ends them; nothing that was stored is lost.")
    return 1 if left else 0


def drain(project: Project, workers: list[LocalWorker], limit_s: float) -> list[int]:
    """Asks them to stop and returns the process ids of those that did not within the limit."""
    for worker in workers:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(worker.pid, signal.SIGTERM)
    deadline = time.monotonic() + limit_s
    left = {worker.pid for worker in workers}
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left &= {worker.pid for worker in local_workers(project)}
    return sorted(left)


def stop_server(project: Project) -> bool:
    from smithers.temporal import local

    return False if project.temporal_address else local.stop(project)
