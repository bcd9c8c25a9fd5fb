"""`smithers inspect`: one run as it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.drawing import Cell, state_cell, symbol_cell, table
from smithers.cli.options import FormOption, RunArgument, ShortIntervalOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.times import ago, local, now_ms
from smithers.cli.views.approvals import pending
from smithers.cli.views.asking import approval_wire, due_times, how_to_answer, more_lines, request_id, what_waits
from smithers.cli.views.nodes import named, node_wire, told_error
from smithers.cli.views.runs import run_details
from smithers.cli.views.signals import Filter, event_wire, open_events, received, send_command
from smithers.cli.watching import repeat
from smithers.engine.frame import NodeRow
from smithers.store.records import Run

MOST_NODES = 200
"""Shown to a person; JSON has all."""


def command(
    run: RunArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help=f"All nodes, not only the last {MOST_NODES}.")
    ] = False,
    watch: WatchOption = False,
    interval: ShortIntervalOption = 2.0,
    form: FormOption = Form.plain,
) -> int:
    """Shows one run: its nodes, what it waits for, its error."""
    with session(form) as here:
        found = here.run(run)
        most = 0 if everything else MOST_NODES
        if watch:
            return repeat(here.out, interval, lambda: show(here, here.store.run(found.run_id), most))
        show(here, found, most)
    return 0


def show(here: Session, run: Run, most: int) -> None:
    nodes = here.store.nodes(run.run_id)
    waiting = pending(here.store, run.run_id)
    if here.out.is_json:
        approvals = [approval_wire(row) | {"requestId": request_id(run.run_id, row)} for row in waiting]
        events = [event_wire(row) for row in open_events(nodes)]
        here.out.document(
            run_details(run)
            | {"nodes": [node_wire(row) for row in nodes], "pendingApprovals": approvals, "pendingEvents": events}
            | {"signals": [one.wire() for one in received(here.store, run.run_id, Filter())]}
        )
        return
    here.out.lines(head(run))
    if nodes:
        here.out.line()
        here.out.lines(rows(nodes[-most:]))
        if most and len(nodes) > most:
            here.out.note(f"... and {len(nodes) - most} nodes before these: --all.")
    due = due_times(here.store, run.run_id) if waiting else {}
    for row in waiting:
        here.out.line(f"\n⏸ {what_waits(row)}")
        here.out.lines(
            [f"  {line}" for line in more_lines(here.store, run, row, due.get((row.node, row.iteration), 0))]
        )
        here.out.line(f"  {how_to_answer(run.run_id, row)}")
    for row in open_events(nodes):
        here.out.line(f"\n⏸ {named(row.node, row.iteration)} waits for an event")
        here.out.line(f"  {send_command(run.run_id, row.detail)}")
    if run.error:
        here.out.line(f"\n✗ {run.error.get('code', '')}: {told_error(run.error)}")
        here.out.line(f"  smithers why {run.run_id}")


def head(run: Run) -> list[str]:
    now = now_ms()
    return [
        f"run       {run.run_id}",
        f"workflow  {run.workflow}  ({run.source})",
        f"status    {run.status}",
        f"started   {local(run.created_ms)}  ({ago(run.created_ms, now)})",
        f"changed   {local(run.updated_ms)}  ({ago(run.updated_ms, now)})",
        f"code      {run.digest[:12]}",
    ]


def rows(nodes: list[NodeRow]) -> list[str]:
    return table(("", "NODE", "KIND", "STATE", "ATTEMPT", ""), [row_of(row) for row in nodes])


def row_of(row: NodeRow) -> tuple[str | Cell, ...]:
    words = told_error((row.detail or {}).get("error")) if row.state == "failed" else row.label
    attempt = str(row.attempt) if row.attempt else ""
    return symbol_cell(row.state), named(row.node, row.iteration), row.kind, state_cell(row.state), attempt, words
