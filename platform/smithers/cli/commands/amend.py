"""`smithers amend`: another input for an open run."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.amending import Amendment, amend
from smithers.cli.deciding import ByOption
from smithers.cli.inputs import read_input
from smithers.cli.options import FormOption, ResumeFlag, RunArgument
from smithers.cli.output import Form
from smithers.cli.quiet import stdout_on_stderr
from smithers.cli.session import session
from smithers.engine.entry import Json
from smithers.views.plan_text import told_plan
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake


def command(  # shape: parameters: one per option
    run: RunArgument = None,
    input: Annotated[
        str, typer.Option("--input", "-i", help="The whole new input: JSON object, @file, or @- for stdin.")
    ] = ...,  # type: ignore[assignment]
    note: Annotated[str | None, typer.Option("--note", help="Why; kept with it.")] = None,
    file: Annotated[str, typer.Option("--file", help="Where the workflow file is now, if it has moved.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")] = False,
    by: ByOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Gives an open run another input. It is checked first, and what it changes in the run is shown.

    What has run stays as it is: finished tasks keep their outputs, running ones what they were given.
    `retry-task` runs one of them again.
    """
    given = read_input(input)
    with session(form) as here:
        found = here.run(run)
        with stdout_on_stderr():
            done = amend(here.store, found, given, (by or whoami(), note), file=file, stores=not dry_run)
        woken = not dry_run and wake(here.project, found.run_id)
        project = here.project
        if here.out.is_json and not resume:
            here.out.document({"runId": found.run_id, "stored": not dry_run, "woken": woken} | wire(done))
        elif not here.out.is_json:
            verb = "would have" if dry_run else "has"
            here.out.line(f"✎ {found.run_id} ({found.workflow}) {verb} another input.")
            here.out.lines([f"  {line}" for line in told_plan(done.diff)])
            if not resume and not dry_run:
                here.out.note(carried_on(project, found.run_id, woken=woken))
    if not resume or dry_run:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, found.run_id, form)


def wire(done: Amendment) -> Json:
    diff = done.diff
    return {
        "input": done.input,
        "added": list(diff.added),
        "removed": list(diff.removed),
        "starts": list(diff.starts),
        "error": diff.error,
    }
