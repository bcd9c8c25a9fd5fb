"""`smithers follow`: moves a run to the code as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.quiet import stdout_on_stderr
from smithers.cli.session import Session, session
from smithers.engine.entry import Json
from smithers.engine.state import CLOSED
from smithers.errors import InputError, WrongState
from smithers.views.ended import has_ended
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake

if TYPE_CHECKING:
    from smithers.store.interface import Store
    from smithers.store.records import Run

SHORT = 12


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, or a unique beginning of one.")],
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Workflow file. Default: the run's own.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and leave it at that.")] = False,
    by: ByOption = None,
    form: FormOption = Form.plain,
) -> int:
    """Moves a run to the code as it is now, once it has shown what that changes.

    Whatever runs meanwhile goes on to its end; what begins after is the new code's. It can be taken back by following
    the old file again. The exit status is 1 where a person says no.
    """
    with session(form) as here:
        found = here.run(run)
        refuse_over(here.store, found)
        return moved(here, found, file, by or whoami(), asked="no" if dry_run else "yes" if yes else "")


def refuse_over(store: Store, run: Run) -> None:
    if run.status in CLOSED:
        raise has_ended(store, run, f"Run {run.run_id} follows no other code", "follow RUN")
    if run.status == "failed":
        raise WrongState(
            f"Run {run.run_id} has failed. `smithers up --resume {run.run_id} --follow` opens it again with the code "
            "as it is now.",
            run_id=run.run_id,
        )


def moved(here: Session, run: Run, file: str, by: str, asked: str) -> int:
    """`asked` is what a person has said already: yes, no, or nothing."""
    from smithers.worker.prepare import code_on_disk, difference, follow

    with stdout_on_stderr():
        code = code_on_disk(run, file)
    is_same = code.digest == run.digest
    changes = [] if is_same else difference(here.store, run, code)
    document: Json = {"runId": run.run_id, "from": run.digest, "to": code.digest, "difference": changes}
    if not here.out.is_json:
        here.out.lines(told(run, code.digest, changes))
    goes = not is_same and (asked == "yes" or (not asked and confirmed(here)))
    if goes:
        follow(here.store, run, code, by)
        woken = wake(here.project, run.run_id)
        document["woken"] = woken
        here.out.note(carried_on(here.project, run.run_id, woken=woken))
    if here.out.is_json:
        here.out.document(document | {"followed": goes})
    return 0 if goes or is_same or asked else 1


def told(run: Run, digest: str, difference: list[str]) -> list[str]:
    if digest == run.digest:
        return [f"Run {run.run_id} goes by the code {digest[:SHORT]}, which is the code as it is now."]
    return [f"⟳ {run.run_id}: from the code {run.digest[:SHORT]} to {digest[:SHORT]}", *(f"  {x}" for x in difference)]


def confirmed(here: Session) -> bool:
    """Asks at a terminal; elsewhere somebody must have said so."""
    import sys

    if here.out.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError("Nobody is here to be asked: --yes follows the new code, --dry-run only shows the difference.")
    return typer.confirm("Follow it?", err=True)
