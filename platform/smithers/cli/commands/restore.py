"""`smithers restore`: puts a copy of the store in its place, and has every open run driven again from its log."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.errors import InputError, WrongState
from smithers.project import Project, find_project
from smithers.store import open_store
from smithers.store.backup import Restored, fresh_epoch, restore, sqlite_file
from smithers.worker.listening import local_workers
from smithers.worker.person import whoami


def command(
    file: Annotated[Path | None, typer.Argument(help="A copy that `smithers backup` has made.")] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="The store was set back already, by other tools: only raise the epochs.")
    ] = False,
    form: FormOption = Form.plain,
) -> int:
    """Sets the store back to a copy of it. What was stored since is forgotten; the store that was there is kept.

    Refused while a worker runs here. Drivers and tasks that Temporal still has from before end without storing
    anything, and open runs go on from their logs with the next worker: what had ended by then does not run again.
    """
    out, project = Out(form), find_project()
    if (file is None) is not in_place:
        raise InputError("Say what to restore: a file, or --in-place where other tools have set the store back.")
    with alone(project), spool_aside(project):
        restored = raised(project) if file is None else put_back(project, file)
    if out.is_json:
        before = str(restored.before) if restored.before else None
        out.document({"redriven": list(restored.redriven), "epoch": restored.epoch, "before": before})
        return 0
    kept = f" What was there is kept: {restored.before}" if restored.before else ""
    out.line(f"✓ The store is restored.{kept}")
    if restored.redriven:
        runs = ", ".join(restored.redriven)
        out.line(f"  {len(restored.redriven)} open runs are driven again from their logs: {runs}")
        out.note("`smithers start` goes on with them. `smithers doctor` says what Temporal has that the store has not.")
    return 0


def put_back(project: Project, file: Path) -> Restored:
    store = sqlite_file(project.store_url)
    if store is None:
        raise InputError(
            "The store is in PostgreSQL (SMITHERS_DATABASE_URL), which has its own tools. To restore a copy: "
            f'pg_restore --clean --if-exists --dbname="$SMITHERS_DATABASE_URL" {file}, then: smithers restore '
            "--in-place"
        )
    return restore(store, file, whoami())


def raised(project: Project) -> Restored:
    epoch = fresh_epoch(time.time())
    store = open_store(project, create=False)
    try:
        return Restored(tuple(store.raise_epochs(epoch, whoami())), epoch, None)
    finally:
        store.close()


@contextmanager
def alone(project: Project) -> Generator[None]:
    """While no worker of this machine is at work. Raises `WrongState`."""
    project.state.mkdir(parents=True, exist_ok=True)
    lock = os.open(project.state / "sweeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        workers = local_workers(project)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            refuse([worker.pid for worker in workers])
        if workers:
            refuse([worker.pid for worker in workers])
        yield
    finally:
        os.close(lock)


def refuse(pids: list[int]) -> None:
    who = f" ({', '.join(map(str, pids))})" if pids else ""
    raise WrongState(
        f"A worker of this project is running{who}: it would go on with what is not in the store any more. Nothing was "
        "changed. `smithers stop` ends it.",
        workers=pids,
    )


@contextmanager
def spool_aside(project: Project) -> Generator[None]:
    """Results that wait to be stored belong to commands of the log as it was; the copy may have others of the same
    numbers."""
    spool, aside = project.state / "spool", project.state / f"spool.before-{round(time.time())}"
    with suppress(FileNotFoundError):
        spool.replace(aside)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            aside.replace(spool)
        raise
