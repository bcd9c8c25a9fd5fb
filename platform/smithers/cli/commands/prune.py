"""`smithers prune`: deletes runs that have ended long ago, and copies of code that none needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.commands.delete import YesOption, agreed, told
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.engine.entry import Json
from smithers.engine.state import FINAL
from smithers.errors import InputError
from smithers.store.deleting import Old, old_runs, prune
from smithers.store.records import Deleted
from smithers.views.times import ago, iso, now_ms, parse_span
from smithers.worker.unused import Unused, remove_unused, unused


def command(
    older_than: Annotated[str, typer.Option("--older-than", metavar="TIME", help="Such as 30d: ended longer ago.")],
    statuses: Annotated[
        list[str] | None,
        typer.Option("--status", help="finished, failed, cancelled or continued; may be repeated. Default: all."),
    ] = None,
    workflow: Annotated[str, typer.Option("--workflow", help="Only runs of this one.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which runs these are.")] = False,
    yes: YesOption = False,
    form: FormOption = Form.plain,
) -> int:
    """Deletes runs to which nothing has happened for a while, and copies of old code that no open run needs.

    Open runs always stay.
    """
    old = Old(now_ms() - parse_span(older_than, "--older-than"), checked(statuses), workflow)
    with session(form) as here:
        found, spare = list(old_runs(here.store, old)), unused(here.project, here.store)
        if dry_run and here.out.is_json:
            here.out.document({"runs": [wire(run) for run in found], "copies": [one.wire() for one in spare]})
        elif dry_run:
            for run in found:
                ended = ago(run["updated_ms"], now_ms())
                here.out.line(f"{run['run_id']}  {run['workflow']}  {run['status']}  {ended}")
            here.out.lines([str(one.folder) for one in spare])
            here.out.note(f"{len(found)} runs would be deleted{and_copies(spare)}.")
        elif not found:
            remove(here, [])
            here.out.note("No run is that old.")
        elif agreed(here.out, yes, f"Delete {len(found)} runs?"):
            remove(here, prune(here.store, old))
        else:
            return 1
    return 0


def remove(here: Session, deleted: list[Deleted]) -> None:
    """Copies go without asking: the store can make them again."""
    gone = remove_unused(here.project, here.store)
    told(here, deleted, {"copies": [one.wire() for one in gone]})
    if gone:
        here.out.note(f"Removed from {gone[0].folder.parent}: {counted(gone)} of old code.")


def and_copies(spare: list[Unused]) -> str:
    return f", and {counted(spare)} of old code" if spare else ""


def counted(found: list[Unused]) -> str:
    return f"{len(found)} {'copy' if len(found) == 1 else 'copies'}"


def checked(statuses: list[str] | None) -> tuple[str, ...]:
    wrong = sorted(set(statuses or ()) - FINAL)
    if wrong:
        known = ", ".join(sorted(FINAL))
        raise InputError(f"--status {wrong[0]} is no way in which a run has ended. Give one of: {known}.")
    return tuple(sorted(set(statuses or FINAL)))


def wire(run: Json) -> Json:
    ended = iso(run["updated_ms"])
    return {"runId": run["run_id"], "workflow": run["workflow"], "status": run["status"], "endedAt": ended}
