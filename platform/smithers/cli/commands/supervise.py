"""`smithers supervise`: which runs are stuck and why; rings those that a ring helps."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.supervising import Limits, Look, look
from smithers.cli.watching import repeat
from smithers.views.times import parse_span


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only look; ring nobody.")] = False,
    interval: Annotated[
        str | None, typer.Option("--interval", "-i", metavar="TIME", help="Again and again: 10s, 1m. Default: once.")
    ] = None,
    threshold: Annotated[
        str, typer.Option("--stale-threshold", "-t", metavar="TIME", help="What has changed since is not stuck.")
    ] = "30s",
    most: Annotated[int, typer.Option("--max-concurrent", "-c", min=1, help="Rings at most so many at once.")] = 3,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="All open runs, not only those that are stuck.")
    ] = False,
    form: FormOption = Form.plain,
) -> int:
    """Says which open runs are stuck: with facts nobody acted upon, without a driver, with tasks nobody began, or with
    tasks whose process is gone. A ring makes their worker look again.

    Runs go on by themselves as long as a worker lives: each looks for the same every few seconds. This command is for
    people who want to see it, and for machines where nobody is sure.
    """
    limits = Limits(parse_span(threshold, "--stale-threshold"), most, rings=not dry_run)
    every_ms = None if interval is None else parse_span(interval, "--interval")
    with session(form) as here:

        def once() -> None:
            show(here, look(here.project, here.store, limits), everything=everything)

        if every_ms is not None:
            return repeat(here.out, every_ms / 1000, once)
        once()
    return 0


def show(here: Session, found: Look, *, everything: bool) -> None:
    if here.out.is_json:
        here.out.document(found.wire(everything=everything))
        return
    stuck = sum(one.needs_help for one in found.findings)
    workers = f"{found.workers} worker{'' if found.workers == 1 else 's'} here"
    runs = f"{len(found.findings)} open run{'' if len(found.findings) == 1 else 's'}"
    here.out.line(f"{runs}, {stuck} stuck; {workers}.")
    if not found.asked:
        here.out.note("No Temporal server was at hand, so drivers are unknown.")
    for one in found.findings:
        if everything or one.needs_help:
            here.out.line()
            here.out.lines(one.lines())
