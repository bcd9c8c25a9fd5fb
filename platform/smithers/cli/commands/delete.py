"""`smithers delete`: removes runs that have ended, with everything that is kept for them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.cli.session import Session, session
from smithers.engine.entry import Json
from smithers.engine.state import FINAL
from smithers.errors import InputError, WrongState
from smithers.store.records import Deleted, Run

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where nobody can be asked.")]


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, or unique beginnings of them.")],
    yes: YesOption = False,
    form: FormOption = Form.plain,
) -> int:
    """Deletes runs that have ended: log, outputs, lines. There is no way back but a backup.

    Nothing is deleted if one of them is still open. Their ids and idempotency keys are free again.
    """
    with session(form) as here:
        found = list({run.run_id: run for run in map(here.run, runs)}.values())
        refuse_open(found)
        if not agreed(here.out, yes, f"Delete {', '.join(run.run_id for run in found)}?"):
            return 1
        told(here, [here.store.delete_run(run.run_id) for run in found])
    return 0


def refuse_open(runs: list[Run]) -> None:
    still = [run for run in runs if run.status not in FINAL]
    if still:
        states = ", ".join(f"{run.run_id} is {run.status}" for run in still)
        raise WrongState(
            f"Only runs that have ended are deleted: {states}. Nothing was deleted. `smithers cancel RUN` ends one.",
            runs={run.run_id: run.status for run in still},
        )


def agreed(out: Out, yes: bool, question: str) -> bool:
    """Whether a person says so. Raises `InputError` where nobody is there to ask."""
    if yes:
        return True
    if out.is_json or not sys.stdin.isatty():
        raise InputError(f"{question} There is no way back, and nobody to ask here: say --yes. Nothing was deleted.")
    return typer.confirm(question, err=True)


def told(here: Session, deleted: list[Deleted], more: Json | None = None) -> None:
    left_bytes = here.store.give_back_space()
    if here.out.is_json:
        here.out.document({"deleted": [wire(one) for one in deleted], "emptyBytes": left_bytes} | (more or {}))
        return
    for one in deleted:
        here.out.line(
            f"✓ {one.run_id} is deleted: {one.entries} entries, {one.blobs} blobs ({one.blob_bytes:,} bytes)."
        )
    if left_bytes:
        here.out.note(
            f"{left_bytes:,} bytes in the file are empty, and are used again first: it was made by an earlier version. "
            "To make it smaller, once, while nothing runs: sqlite3 .smithers/smithers.db "
            "'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'"
        )


def wire(one: Deleted) -> Json:
    return {"runId": one.run_id, "entries": one.entries, "blobs": one.blobs, "blobBytes": one.blob_bytes}
