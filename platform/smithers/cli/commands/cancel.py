"""`smithers cancel`: ends a run for good."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.cancelling import cancel_run
from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.cli.status import CANCELLED
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on


def command(
    run: RunArgument = None,
    by: ByOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the request.")] = None,
    form: FormOption = Form.plain,
) -> int:
    """Cancels a run; its outputs stay. The exit status is 2: the run is, or is being, cancelled.

    The request is stored at once, also when nothing is running. What runs is told to stop.
    """
    with session(form) as here:
        found = here.run(run)
        done = cancel_run(here, found, by or whoami(), reason)
        if here.out.is_json:
            here.out.document(done.wire())
        else:
            again = "" if done.stored else " (it was asked before)"
            here.out.line(f"⊗ {found.run_id} ({found.workflow}) is to be cancelled{again}.")
            here.out.note(carried_on(here.project, found.run_id, woken=done.woken))
    return CANCELLED
