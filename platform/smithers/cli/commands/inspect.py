"""`smithers inspect`: one run as it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.amending import input_of
from smithers.cli.drawing import Cell, state_cell, symbol_cell, table
from smithers.cli.options import FormOption, RunArgument, ShortIntervalOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.pausing import pause_of
from smithers.cli.session import Session, session
from smithers.cli.views.codes import SHORT, code_of
from smithers.cli.views.runs import run_details
from smithers.cli.views.why import waits_of
from smithers.cli.views.why_text import told_reason
from smithers.cli.watching import repeat
from smithers.engine.frame import NodeRow
from smithers.engine.state import CLOSED
from smithers.store.records import Run
from smithers.store.successors import following
from smithers.views.approvals import pending
from smithers.views.asking import how_to_answer, request_wire, what_waits
from smithers.views.children import ChildRun, as_seen, child_wire, children
from smithers.views.nodes import SYMBOLS, named, node_wire, told_error
from smithers.views.signals import Filter, event_wire, open_events, received, send_command
from smithers.views.times import ago, local, now_ms
from smithers.views.usage import told_usage, total_usage, usage_wire

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
            return repeat(
                here.out, interval, lambda: show(here, as_seen(here.store, here.store.run(found.run_id)), most)
            )
        show(here, as_seen(here.store, found), most)
    return 0


def show(here: Session, run: Run, most: int) -> None:
    nodes = here.store.nodes(run.run_id)
    waiting = pending(here.store, run.run_id)
    if here.out.is_json:
        approvals = [request_wire(here.store, run.run_id, row) for row in waiting]
        events = [event_wire(row) for row in open_events(nodes)]
        here.out.document(
            run_details(run)
            | {"continuedAs": following(here.store, run.run_id) or None}
            | {"code": code_of(here.project, here.store, run).wire()}
            | {"input": input_of(here.store, run)}
            | {"paused": None if (pause := pause_of(here.store, run)) is None else pause.wire()}
            | {"nodes": [node_wire(row) for row in nodes], "pendingApprovals": approvals, "pendingEvents": events}
            | {"waits": [reason.wire() for reason in waits_of(here.store, run)]}
            | {"usage": usage_wire(total_usage(nodes))}
            | {"signals": [one.wire() for one in received(here.store, run.run_id, Filter())]}
            | {"children": [child_wire(here.store, child) for child in children(here.store, run.run_id)]}
        )
        return
    here.out.lines(head(here, run))
    pause = pause_of(here.store, run)
    if pause is not None:
        here.out.line(f"paused    {pause.told}  (smithers unpause {run.run_id})")
    used = total_usage(nodes)
    if used is not None:
        here.out.line(f"used      {told_usage(used)}")
    if nodes:
        here.out.line()
        here.out.lines(rows(nodes[-most:]))
        if most and len(nodes) > most:
            here.out.note(f"... and {len(nodes) - most} nodes before these: --all.")
    for reason in waits_of(here.store, run):
        here.out.lines(["", *told_reason(reason)])
    for child in children(here.store, run.run_id):
        here.out.lines(told_child(here, child))
    if run.error:
        here.out.line(f"\n✗ {run.error.get('code', '')}: {told_error(run.error)}")
        here.out.line(f"  smithers why {run.run_id}")


def told_child(here: Session, child: ChildRun) -> list[str]:
    """A run below, and what it asks people."""
    run, indent = as_seen(here.store, child.run), "  " * (child.depth - 1)
    lines = [f"{indent}{SYMBOLS.get(run.status, '→')} {child.node}: run {run.run_id} ({run.workflow}) is {run.status}"]
    for row in pending(here.store, run.run_id):
        lines += [f"{indent}    {what_waits(row)}", f"{indent}    {how_to_answer(run.run_id, row)}"]
    for row in open_events(here.store.nodes(run.run_id)):
        lines += [f"{indent}    {named(row.node, row.iteration)} waits for an event"]
        lines += [f"{indent}    {send_command(run.run_id, row.detail)}"]
    return ["", *lines] if child.depth == 1 else lines


def head(here: Session, run: Run) -> list[str]:
    now = now_ms()
    is_over = run.status in CLOSED
    code = run.digest[:SHORT] if is_over else code_of(here.project, here.store, run).text
    parent = run.parent
    above = [f"parent    {parent['run']}  (node {named(parent['node'], parent['iteration'])})"] if parent else []
    return [
        f"run       {run.run_id}",
        f"workflow  {run.workflow}  ({run.source})",
        *above,
        *chain(here, run),
        f"status    {run.status}",
        *([f"priority  {run.options['priority']}"] if "priority" in run.options else []),
        f"started   {local(run.created_ms)}  ({ago(run.created_ms, now)})",
        f"changed   {local(run.updated_ms)}  ({ago(run.updated_ms, now)})",
        f"code      {code}",
    ]


def chain(here: Session, run: Run) -> list[str]:
    """The runs before and behind one that continues as new."""
    before, then = run.continues, following(here.store, run.run_id)
    lines = [f"continues {before['run']}  (generation {before['generation']} of {before['root']})"] if before else []
    return [*lines, *([f"goes on   as {then}"] if then else [])]


def rows(nodes: list[NodeRow]) -> list[str]:
    return table(("", "NODE", "KIND", "STATE", "ATTEMPT", ""), [row_of(row) for row in nodes])


def row_of(row: NodeRow) -> tuple[str | Cell, ...]:
    detail = row.detail or {}
    words = told_error(detail.get("error")) if row.state == "failed" else row.label
    if detail.get("usage"):
        words = f"{words}  {told_usage(detail['usage'])}".strip()
    if "cached" in detail:
        words = f"{words}  cached: yes, from run {detail['cached']['run']}".strip()
    attempt = str(row.attempt) if row.attempt else ""
    return symbol_cell(row.state), named(row.node, row.iteration), row.kind, state_cell(row.state), attempt, words
