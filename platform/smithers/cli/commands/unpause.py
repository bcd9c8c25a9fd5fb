"""`smithers unpause`: a paused run goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption, ResumeFlag, RunArgument
from smithers.cli.output import Form
from smithers.cli.pausing import unpause_run
from smithers.cli.session import session
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake


def command(
    run: RunArgument = None,
    note: Annotated[str | None, typer.Option("--note", help="Why; kept in the log.")] = None,
    by: ByOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Ends the pause of a run. Whatever was stored meanwhile is acted upon now."""
    with session(form) as here:
        found = here.run(run)
        unpause_run(here.store, found, by or whoami(), note)
        woken = wake(here.project, found.run_id)
        if here.out.is_json and not resume:
            here.out.document({"runId": found.run_id, "paused": None, "woken": woken})
        elif not here.out.is_json:
            here.out.line(f"→ {found.run_id} ({found.workflow}) goes on.")
            if not resume:
                here.out.note(carried_on(here.project, found.run_id, woken=woken))
        project = here.project
    if not resume:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, found.run_id, form)
