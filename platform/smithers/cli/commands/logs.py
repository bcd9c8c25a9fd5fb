"""`smithers logs`: the lines that tasks have written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Annotated

import typer

from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.views.lines import line_wire
from smithers.cli.watching import watched
from smithers.store.interface import Store
from smithers.store.records import LogLine, Run
from smithers.views.nodes import find_node, named
from smithers.views.times import local

PAGE = 1000


def command(  # shape: parameters: one per option
    run: RunArgument = None,
    node: Annotated[str | None, typer.Option("--node", "-n", help="Only lines of this node.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended, or the last that goes on for it.")
    ] = False,
    since: Annotated[int, typer.Option("--since", min=0, help="Only lines behind this position (`seq` in JSON).")] = 0,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="Only the last so many lines at first.")] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Progress messages too.")] = False,
    form: FormOption = Form.plain,
) -> int:
    """Shows the lines that tasks have written: standard output, standard error, and log records."""
    with session(form) as here:
        found = here.run(run)
        if node is not None:
            find_node(here.store, found.run_id, node)
        shown = Shown(here, found, progress)
        position = shown.page(stored(here.store, found.run_id, node or "", since), since, tail)
        run_id = found.run_id
        for now in watched(here.store, found) if follow else ():
            position = position if now.run_id == run_id else 0
            run_id = now.run_id
            position = shown.page(stored(here.store, run_id, node or "", position), position)
    return 0


def stored(store: Store, run_id: str, node: str, after: int) -> Iterator[tuple[int, LogLine]]:
    while lines := store.log_lines(run_id, node=node, after=after, limit=PAGE):
        yield from lines
        after = lines[-1][0]


class Shown:
    """Writes lines of one run."""

    def __init__(self, here: Session, run: Run, progress: bool) -> None:
        self.here = here
        self.run = run
        self.progress = progress

    def page(self, lines: Iterator[tuple[int, LogLine]], position: int, tail: int | None = None) -> int:
        """Returns the position of the last line there was, shown or not."""
        kept = lines if tail is None else iter(deque(lines, maxlen=tail))
        for at, line in kept:
            position = at
            if line.stream != "progress" or self.progress:
                self.write(at, line)
        return position

    def write(self, position: int, line: LogLine) -> None:
        if self.here.out.is_json:
            self.here.out.record(line_wire(position, line))
        else:
            mark = "!" if line.stream == "stderr" else "|"
            self.here.out.line(f"{local(line.at_ms)[11:19]} {named(line.node, line.iteration)} {mark} {line.text}")
