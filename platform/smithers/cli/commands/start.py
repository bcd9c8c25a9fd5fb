"""`smithers start`: a worker for the project that stays, with a guard over it."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.errors import WorkflowFileError
from smithers.project import Project, find_project


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Workflow files to hold, besides those of open runs."),
    ] = None,
    form: FormOption = Form.plain,
) -> int:
    """Keeps a worker for the project in the foreground, until Ctrl-C or SIGTERM; then it drains.

    It goes on with every open run, also where its workflow file has changed: the code that a run is pinned to is then
    hosted from the store. It starts the local Temporal server if none runs. A worker that a task takes down is started
    again.
    """
    paths = [existing(path) for path in files or []]
    project = find_project()
    out = Out(form)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if out.is_json:
        out.record({"project": str(project.root), "pid": os.getpid(), "files": [str(path) for path in paths]})
    else:
        out.note(f"worker for {project.root}; Ctrl-C drains it and ends, `smithers stop` does it from elsewhere")
    return guarded(project, paths)


def existing(path: Path) -> Path:
    if not path.is_file():
        raise WorkflowFileError(f"There is no file {path} (looked for {path.absolute()}).", file=str(path))
    return path.absolute()


def guarded(project: Project, files: list[Path]) -> int:
    """Returns 128 plus the number of the signal that ended it, or the worker's own status."""
    from smithers.worker.host import guard_of

    guard = guard_of(project, files)
    signals: list[int] = []

    def stop(number: int, _frame: object) -> None:
        signals.append(number)
        guard.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    status = guard.run()
    return 128 + signals[0] if signals else status
