"""`smithers prune`: deletes runs that have ended long ago."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.commands.delete import YesOption, agreed, told
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.engine.entry import Json
from smithers.engine.state import FINAL
from smithers.errors import InputError
from smithers.store.deleting import Old, old_runs, prune
from smithers.views.times import ago, iso, now_ms, parse_span


def command(
    older_than: Annotated[str, typer.Option("--older-than", metavar="TIME", help="Such as 30d: ended longer ago.")],
    statuses: Annotated[
        list[str] | None, typer.Option("--status", help="finished, failed or cancelled; may be repeated. Default: all.")
    ] = None,
    workflow: Annotated[str, typer.Option("--workflow", help="Only runs of this one.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which runs these are.")] = False,
    yes: YesOption = False,
    form: FormOption = Form.plain,
) -> int:
    """Deletes runs to which nothing has happened for a while. Open runs always stay."""
    old = Old(now_ms() - parse_span(older_than, "--older-than"), checked(statuses), workflow)
    with session(form) as here:
        found = list(old_runs(here.store, old))
        if dry_run and here.out.is_json:
            here.out.document({"runs": [wire(run) for run in found]})
        elif dry_run:
            for run in found:
                ended = ago(run["updated_ms"], now_ms())
                here.out.line(f"{run['run_id']}  {run['workflow']}  {run['status']}  {ended}")
            here.out.note(f"{len(found)} runs would be deleted.")
        elif not found:
            told(here, [])
            here.out.note("No run is that old.")
        elif agreed(here.out, yes, f"Delete {len(found)} runs?"):
            told(here, prune(here.store, old))
        else:
            return 1
    return 0


def checked(statuses: list[str] | None) -> tuple[str, ...]:
    wrong = sorted(set(statuses or ()) - FINAL)
    if wrong:
        known = ", ".join(sorted(FINAL))
        raise InputError(f"--status {wrong[0]} is no way in which a run has ended. Give one of: {known}.")
    return tuple(sorted(set(statuses or FINAL)))


def wire(run: Json) -> Json:
    ended = iso(run["updated_ms"])
    return {"runId": run["run_id"], "workflow": run["workflow"], "status": run["status"], "endedAt": ended}
