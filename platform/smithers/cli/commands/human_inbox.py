"""`smithers human inbox`: everything that waits for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.drawing import table
from smithers.cli.options import FormOption, IntervalOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.views.runs import find_run
from smithers.cli.watching import repeat
from smithers.engine.answer import mode_of
from smithers.engine.frame import NodeRow
from smithers.engine.said import Said
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.approvals import pending
from smithers.views.asking import due_times, how_to_answer, inbox_wire, request_id, who_may
from smithers.views.children import children
from smithers.views.course import course_lines
from smithers.views.times import ago, now_ms, span

Waiting = list[tuple[Run, NodeRow, int, Said]]
"""With the time at which nobody is asked any more; 0 is never."""


def command(
    run: Annotated[
        str | None, typer.Option("--run-id", "-r", metavar="RUN", help="Only of this run and those it has started.")
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of runs of this workflow.")] = None,
    watch: WatchOption = False,
    interval: IntervalOption = 2.0,
    form: FormOption = Form.plain,
) -> int:
    """Lists what waits for a person, over all runs, oldest first, and how each is answered."""
    with session(form) as here:
        if watch:
            return repeat(here.out, interval, lambda: show(here, run, workflow))
        show(here, run, workflow)
    return 0


def show(here: Session, run: str | None, workflow: str | None) -> None:
    waiting = inbox(here, run, workflow)
    now = now_ms()
    if here.out.is_json:
        here.out.document({"requests": [inbox_wire(*about[:3], now, about[3]) for about in waiting]})
        return
    if not waiting:
        here.out.line("Nothing waits for a person.")
        return
    head = ("REQUEST", "WORKFLOW", "KIND", "ASKED", "LEFT", "WHAT")
    here.out.lines(table(head, [cells(*about[:3], now, about[3]) for about in waiting]))
    here.out.line()
    here.out.lines([how_to_answer(found.run_id, row) for found, row, *_ in waiting])


def inbox(here: Session, run: str | None, workflow: str | None) -> Waiting:
    runs = here.store.due_runs() if run is None else with_children(here.store, find_run(here.store, run))
    found: Waiting = []
    for one in runs:
        if workflow is None or one.workflow == workflow:
            rows = pending(here.store, one.run_id)
            due = due_times(here.store, one.run_id) if rows else {}
            ends = [due.get((row.node, row.iteration), 0) for row in rows]
            found += [(one, row, end, said(here.store, one.run_id, row)) for row, end in zip(rows, ends, strict=True)]
    return sorted(found, key=lambda waiting: waiting[1].first_ms)


def with_children(store: Store, run: Run) -> list[Run]:
    return [run, *(child.run for child in children(store, run.run_id))]


def cells(run: Run, row: NodeRow, due_ms: int, now: int, course: Said) -> tuple[str, ...]:
    left = span(max(0, due_ms - now)) if due_ms else ""
    words = str((row.detail or {}).get("prompt") or row.label)
    first = words.splitlines()[0] if words else ""
    told = "; ".join(part for part in (first[:80], *who_may(row, course), *course_lines(course)) if part)
    return request_id(run.run_id, row), run.workflow, mode_of(row.detail), ago(row.first_ms, now), left, told
