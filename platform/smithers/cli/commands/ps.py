"""`smithers ps`: runs, newest first, and the search for some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import typer

from smithers.cli.drawing import state_cell, table
from smithers.cli.inputs import pairs
from smithers.cli.options import FormOption, ShortIntervalOption, WatchOption
from smithers.cli.output import Form
from smithers.cli.searching import input_values, parse_moment, seen_runs
from smithers.cli.session import Session, session
from smithers.cli.views.codes import SHORT, held_digests
from smithers.cli.views.runs import run_wire
from smithers.cli.views.steps import Step, step_of
from smithers.cli.watching import repeat
from smithers.engine.entry import Json
from smithers.engine.state import FINAL, OPEN_STATUSES
from smithers.errors import InputError
from smithers.store.records import Run, Search
from smithers.views.times import ago, now_ms

ALL: Final = (*OPEN_STATUSES, *sorted(FINAL))


def command(  # shape: parameters: one per option
    status: Annotated[
        list[str] | None, typer.Option("--status", "-s", help=f"Only runs with this status: {', '.join(ALL)}.")
    ] = None,
    workflow: Annotated[str, typer.Option("--workflow", help="Only runs of the workflow with this name.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="Only runs with this tag (`up --tag`).")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="input.FIELD=VALUE", help="Only runs with this value in their input."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Started at or after: 2h (ago), 2026-03-01T09:30.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Started before.")] = None,
    parent: Annotated[
        str, typer.Option("--parent", metavar="RUN", help="Only those that subflows of this run started.")
    ] = "",
    before: Annotated[
        str, typer.Option("--before", metavar="RUN", help="Only older ones: the next page after this run.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="All runs, however many.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="At most so many.")] = 20,
    watch: WatchOption = False,
    interval: ShortIntervalOption = 2.0,
    form: FormOption = Form.plain,
) -> int:
    """Lists runs, newest first. What is given more than once, or together, must all be so; statuses are either."""
    search = Search(
        known(status or []),
        workflow,
        pairs(tag or [], "--tag"),
        input_values(where or []),
        parse_moment(since, "--since"),
        parse_moment(until, "--until"),
        before=before,
        limit=1_000_000 if everything else limit,
    )
    with session(form) as here:
        if before:
            search = replace(search, before=here.run(before).run_id)
        if parent:
            search = replace(search, parent=here.run(parent).run_id)
        if watch:
            return repeat(here.out, interval, lambda: show(here, search))
        show(here, search)
    return 0


def known(statuses: list[str]) -> tuple[str, ...]:
    for status in statuses:
        if status not in ALL:
            raise InputError(f"--status={status!r} is unknown. There are: {', '.join(ALL)}.", status=status)
    return tuple(statuses)


def show(here: Session, search: Search) -> None:
    runs = seen_runs(here.store, replace(search, limit=search.limit + 1))
    more, runs = len(runs) > search.limit, runs[: search.limit]
    steps = {run.run_id: step_of(here.store, run) for run in runs}
    if here.out.is_json:
        held = held_digests(here.project)
        found = [wire(run, steps[run.run_id]) | code_wire(run, held) for run in runs]
        here.out.document({"runs": found, "more": more, "next": runs[-1].run_id if more else None})
        return
    if not runs:
        is_narrow = search != Search(limit=search.limit)
        here.out.note(
            "There are no such runs." if is_narrow else "There are no runs here yet. `smithers up FILE` starts one."
        )
        return
    here.out.lines(rows(runs, steps, codes(here, runs)))
    if more:
        here.out.note(f"... and older ones: --before {runs[-1].run_id}, --limit {search.limit * 5}, or --all.")


def wire(run: Run, at: Step) -> Json:
    return run_wire(run) | {"step": at.path or None, "waitsFor": at.detail or None, "asks": list(at.asked)}


def code_wire(run: Run, held: frozenset[str]) -> Json:
    return {"digest": run.digest, "codeHeld": run.digest in held}


def codes(here: Session, runs: list[Run]) -> dict[str, str]:
    """By which code each run goes, where runs of one workflow go by different ones; else empty."""
    if len({(run.workflow, run.digest) for run in runs}) == len({run.workflow for run in runs}):
        return {}
    held = held_digests(here.project)
    return {
        run.run_id: run.digest[:SHORT]
        + ("" if run.status not in OPEN_STATUSES or run.digest in held else " (not held)")
        for run in runs
    }


def rows(runs: list[Run], steps: dict[str, Step], codes: dict[str, str]) -> list[str]:
    now = now_ms()
    tagged, nested = any(run.tags for run in runs), any(run.parent for run in runs)
    return table(
        (
            "RUN",
            "WORKFLOW",
            "STATUS",
            "STARTED",
            "CHANGED",
            "STEP",
            *(("CODE",) if codes else ()),
            *(("PARENT",) if nested else ()),
            *(("TAGS",) if tagged else ()),
        ),
        [
            (
                run.run_id,
                run.workflow,
                state_cell(run.status),
                ago(run.created_ms, now),
                ago(run.updated_ms, now),
                steps[run.run_id].told,
                *((codes[run.run_id],) if codes else ()),
                *((run.parent["run"] if run.parent else "",) if nested else ()),
                *((" ".join(f"{name}={value}" for name, value in run.tags.items()),) if tagged else ()),
            )
            for run in runs
        ],
    )
