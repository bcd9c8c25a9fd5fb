"""`smithers doctor`: looks at everything a run needs here, and says what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.cli.session import session
from smithers.cli.views.health import Check, checks
from smithers.cli.views.parted import look_for_parted, reached, ring_unknown
from smithers.errors import TemporalUnavailable
from smithers.project import find_project
from smithers.store.backup import fresh_epoch
from smithers.views.times import now_ms
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake

SYMBOLS = {"ok": "✓", "note": "·", "problem": "✗"}


def command(
    run: Annotated[
        str | None, typer.Option("--redrive", metavar="RUN", help="Drive this run again from its log, on any server.")
    ] = None,
    parted: Annotated[
        bool,
        typer.Option("--redrive-parted", help="Drive every run again that Temporal does not drive as its log says."),
    ] = False,
    form: FormOption = Form.plain,
) -> int:
    """Checks the store, the server, the workers, and runs that are stuck. The exit status is 1 if anything is wrong.

    `--redrive` without a run is the same as `--redrive-parted`: for a store that was set back, or a server that has
    lost its data.
    """
    if run is not None:
        return redrive(run, form)
    if parted:
        return redrive_parted(form)
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


def redrive_parted(form: Form) -> int:
    """Raises the epochs of the runs that have parted from their drivers, and has the drivers of unknown runs look."""
    with session(form) as here:
        server = reached(here.project)
        if server is None:
            raise TemporalUnavailable(
                "No Temporal server runs for this project, so nobody can say which runs it drives. Start a worker "
                "(`smithers start`): it drives every open run from its log. Then `smithers doctor` again."
            )
        parted = look_for_parted(here.project, here.store, server)
        epoch = fresh_epoch(now_ms() / 1000)
        runs = [one.run_id for one in parted if one.why != "unknown"]
        for run_id in runs:
            here.store.redrive(run_id, whoami(), least=epoch)
            wake(here.project, run_id)
        unknown = [one.run_id for one in parted if one.why == "unknown"]
        ring_unknown(here.project, server, unknown)
        if here.out.is_json:
            here.out.document({"redriven": runs, "unknown": unknown})
        else:
            here.out.lines([f"↻ {run_id} is driven again from its log (epoch {epoch})." for run_id in runs])
            here.out.lines(
                [f"✗ {run_id} is not in the store: its driver was told to look, and ends." for run_id in unknown]
            )
            if not parted:
                here.out.line("✓ Every open run is driven as its log says.")
    return 0
