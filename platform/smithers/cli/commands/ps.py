"""`smithers ps`: runs, newest first."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from smithers.cli.drawing import state_cell, table
from smithers.cli.options import FormOption, IntervalOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.times import ago, now_ms
from smithers.cli.views.runs import run_wire
from smithers.cli.watching import repeat
from smithers.engine.entry import Json
from smithers.errors import InputError
from smithers.store.records import Run

OPEN: Final = ("running", "waiting-approval", "waiting-timer", "waiting-event", "waiting-code")
ALL: Final = (*OPEN, "finished", "failed", "cancelled")


def command(
    status: Annotated[
        list[str] | None, typer.Option("--status", "-s", help=f"Only runs with this status: {', '.join(ALL)}.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All runs, however many.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="At most so many.")] = 20,
    watch: WatchOption = False,
    interval: IntervalOption = 2.0,
    form: FormOption = Form.plain,
) -> int:
    """Lists runs, newest first."""
    statuses = known(status or [])
    with session(form) as here:
        if watch:
            return repeat(here.out, interval, lambda: show(here, statuses, 1_000_000 if everything else limit))
        show(here, statuses, 1_000_000 if everything else limit)
    return 0


def known(statuses: list[str]) -> list[str]:
    for status in statuses:
        if status not in ALL:
            raise InputError(f"--status={status!r} is unknown. There are: {', '.join(ALL)}.", status=status)
    return statuses


def show(here: Session, statuses: list[str], limit: int) -> None:
    runs = here.store.runs(statuses=statuses, limit=limit + 1)
    more, runs = len(runs) > limit, runs[:limit]
    steps = {run.run_id: step(here, run) for run in runs}
    if here.out.is_json:
        here.out.document({"runs": [wire(run, steps[run.run_id]) for run in runs], "more": more})
        return
    if not runs:
        here.out.note(
            "There are no such runs." if statuses else "There are no runs here yet. `smithers up FILE` starts one."
        )
        return
    here.out.lines(rows(runs, steps))
    if more:
        here.out.note(f"... and older ones: --limit {limit * 5}, or --all.")


def step(here: Session, run: Run) -> str:
    """What an open run is at: its first open command, or else what it waits for."""
    if run.status not in OPEN:
        return ""
    at_work = [row.command.node for row in here.store.open_commands(run.run_id) if row.command.kind in ("run", "child")]
    if not at_work:
        waiting = [row for row in here.store.nodes(run.run_id) if row.state.startswith("waiting")]
        at_work = [row.node for row in waiting]
    return at_work[0] + (f" +{len(at_work) - 1}" if len(at_work) > 1 else "") if at_work else ""


def wire(run: Run, at: str) -> Json:
    return run_wire(run) | {"step": at or None}


def rows(runs: list[Run], steps: dict[str, str]) -> list[str]:
    now = now_ms()
    return table(
        ("RUN", "WORKFLOW", "STATUS", "STARTED", "CHANGED", "STEP"),
        [
            (
                run.run_id,
                run.workflow,
                state_cell(run.status),
                ago(run.created_ms, now),
                ago(run.updated_ms, now),
                steps[run.run_id],
            )
            for run in runs
        ],
    )
