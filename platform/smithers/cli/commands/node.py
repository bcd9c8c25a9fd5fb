"""`smithers node`: everything about one node."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from smithers.cli.options import FormOption, IntervalOption, IterationOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.views.codes import code_of
from smithers.cli.views.lines import line_wire
from smithers.cli.views.why import why_node
from smithers.cli.views.why_text import told_reason
from smithers.cli.watching import repeat
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.engine.state import OPEN_STATUSES
from smithers.store.records import LogLine
from smithers.views.attempts import Attempt, attempts_of
from smithers.views.nodes import find_node, named, node_wire
from smithers.views.outputs import output_of
from smithers.views.reasons import Reason
from smithers.views.times import local, span
from smithers.views.usage import told_usage
from smithers.worker.listening import local_workers

LINES = 20


def command(  # shape: parameters: one per option
    node: Annotated[str, typer.Argument(metavar="NODE", help="Node id.")],
    run: Annotated[
        str | None,
        typer.Option("--run-id", "-r", metavar="RUN", help="Run id or its beginning. Default: the newest run."),
    ] = None,
    iteration: IterationOption = None,
    attempts: Annotated[bool, typer.Option("--attempts", help="All attempts with their errors and workers.")] = False,
    watch: WatchOption = False,
    interval: IntervalOption = 2.0,
    form: FormOption = Form.plain,
) -> int:
    """Shows one node: what it waits for, attempts, output, error, and the last lines it has written."""
    with session(form) as here:
        found = here.run(run)
        find_node(here.store, found.run_id, node, iteration)
        if watch:
            return repeat(here.out, interval, lambda: show(here, found.run_id, node, iteration, attempts))
        show(here, found.run_id, node, iteration, attempts)
    return 0


def waits(here: Session, run_id: str, row: NodeRow) -> list[Reason]:
    run = here.store.run(run_id)
    code = code_of(here.project, here.store, run) if run.status in OPEN_STATUSES else None
    return why_node(here.store, run, row, has_worker=bool(local_workers(here.project)), code=code)


def show(here: Session, run_id: str, node: str, iteration: str | None, every: bool) -> None:
    row = find_node(here.store, run_id, node, iteration)
    reasons = waits(here, run_id, row)
    tried = attempts_of(here.store, run_id, row.node, row.iteration)
    output = output_of(here.store, run_id, row) if row.state == "finished" else None
    pairs = [
        (position, line)
        for position, line in here.store.log_lines(run_id, node=row.node, limit=1_000_000)
        if line.iteration == row.iteration and line.stream != "progress"
    ]
    if here.out.is_json:
        document: Json = node_wire(row) | {"runId": run_id, "waits": [reason.wire() for reason in reasons]}
        document |= {"attempts": [attempt.wire() for attempt in tried]}
        here.out.document(document | {"output": output, "lines": [line_wire(*pair) for pair in pairs]})
        return
    here.out.line(f"{named(row.node, row.iteration)}  {row.kind}  {row.state}  (run {run_id})")
    here.out.lines([line for attempt in (tried if every else tried[-1:]) for line in told(attempt, every)])
    for reason in reasons:
        here.out.lines(["", *told_reason(reason)])
    if output is not None:
        here.out.lines(["", "output", *indented(json.dumps(output, ensure_ascii=False, indent=2))])
    if pairs:
        here.out.lines(["", *told_lines([line for _, line in pairs], run_id, row.node)])


def told(attempt: Attempt, every: bool) -> list[str]:
    took = f", took {span(attempt.ms)}" if attempt.ended_ms else ""
    lines = [f"  attempt {attempt.number}: {attempt.outcome}, began {local(attempt.started_ms)}{took}"]
    if attempt.usage:
        lines.append(f"    used {told_usage(attempt.usage)}")
    if attempt.cached:
        lines.append(f"    cached: yes, from run {attempt.cached}")
    if attempt.missed:
        lines.append(f"    cached: no, {attempt.missed}")
    if attempt.error:
        error = attempt.error
        lines += indented(f"{error.get('code', '')}: {error.get('message', '')}", "    ")
    if every:
        for claim in attempt.claims:
            end = f", {claim.end} {claim.why}".rstrip() if claim.end else ""
            lines.append(f"    by {claim.worker or 'a worker'} at {local(claim.at_ms)}{end}")
    return lines


def told_lines(lines: list[LogLine], run_id: str, node: str) -> list[str]:
    more = f" (the last {LINES} of {len(lines)}: smithers logs {run_id} --node {node})" if len(lines) > LINES else ""
    return [f"lines{more}", *(f"  {line.text}" for line in lines[-LINES:])]


def indented(text: str, by: str = "  ") -> list[str]:
    return [by + line for line in text.splitlines()]
