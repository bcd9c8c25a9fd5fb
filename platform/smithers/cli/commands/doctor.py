"""`smithers doctor`: looks at everything a run needs here, and says what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.cli.person import whoami
from smithers.cli.ringing import carried_on, wake
from smithers.cli.session import session
from smithers.cli.views.health import Check, checks
from smithers.project import find_project

SYMBOLS = {"ok": "✓", "note": "·", "problem": "✗"}


def command(
    run: Annotated[
        str | None, typer.Option("--redrive", metavar="RUN", help="Drive this run again from its log, on any server.")
    ] = None,
    form: FormOption = Form.plain,
) -> int:
    """Checks the store, the server, the workers, and runs that are stuck. The exit status is 1 if anything is wrong."""
    if run is not None:
        return redrive(run, form)
    out = Out(form)
    found = checks(find_project())
    if out.is_json:
        out.document({"checks": [check.wire() for check in found]})
    else:
        for check in found:
            out.lines(told(check))
    return 1 if any(check.state == "problem" for check in found) else 0


def told(check: Check) -> list[str]:
    first, *rest = check.text.splitlines()
    lines = [f"{SYMBOLS[check.state]} {check.name}: {first}", *(f"    {line}" for line in rest)]
    return [*lines, f"    {check.advice}"] if check.advice else lines


def redrive(wanted: str, form: Form) -> int:
    """Raises the run's epoch, so that whatever drives it now ends, and rings."""
    with session(form) as here:
        run = here.run(wanted)
        epoch = here.store.redrive(run.run_id, whoami())
        woken = wake(here.project, run.run_id)
        if here.out.is_json:
            here.out.document({"runId": run.run_id, "epoch": epoch, "woken": woken})
        else:
            here.out.line(f"↻ {run.run_id} is driven again from its log (epoch {epoch}).")
            here.out.note(carried_on(here.project, run.run_id, woken=woken))
    return 0
