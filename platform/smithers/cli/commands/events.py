"""`smithers events`: what has happened in a run, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import typer

from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.cli.status import FINAL
from smithers.cli.times import now_ms, parse_span
from smithers.cli.views.events import Event, Reader
from smithers.cli.watching import poll
from smithers.engine.entry import Entry
from smithers.errors import InputError
from smithers.store.interface import Store
from smithers.store.records import Run

PAGE = 2000
CATEGORIES = ("run", "node", "approval", "timer", "frame", "revert")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown."""

    node: str | None = None
    categories: frozenset[str] = field(default_factory=frozenset[str])
    from_ms: int = 0

    def holds(self, event: Event) -> bool:
        if self.node is not None and event.node != self.node:
            return False
        return event.at_ms >= self.from_ms and (not self.categories or event.category in self.categories)


def command(  # shape: parameters: one per option
    run: RunArgument = None,
    node: Annotated[str | None, typer.Option("--node", "-n", help="Only events of this node.")] = None,
    category: Annotated[
        list[str] | None, typer.Option("--type", "-t", help=f"Only these: {', '.join(CATEGORIES)}.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", "-s", help="Only the last 30s, 5m, 2h, 1d; or `#120`: behind that position."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, max=100_000, help="At most so many.")] = 1000,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", "--watch", "-w", help="Go on until the run has ended.")
    ] = False,
    form: FormOption = Form.plain,
) -> int:
    """Shows what has happened in a run, in order."""
    after, from_ms = beginning(since)
    wanted = Wanted(node, categories(category or []), from_ms)
    with session(form) as here:
        found = here.run(run)
        shown = Shown(here, found, wanted, limit, after)
        for ended in poll(lambda: not follow or here.store.run(found.run_id).status in FINAL):
            if not shown.rest() or ended:
                break
    return 0


def beginning(since: str | None) -> tuple[int, int]:
    """A position of the log, and a time before which nothing is shown."""
    if since is None:
        return 0, 0
    if since.startswith("#") and since[1:].isdigit():
        return int(since[1:]), 0
    return 0, now_ms() - parse_span(since, "--since")


def categories(wanted: list[str]) -> frozenset[str]:
    for one in wanted:
        if one not in CATEGORIES:
            raise InputError(
                f"--type={one!r} is unknown. There are: {', '.join(CATEGORIES)}.", code="INVALID_EVENTS_OPTIONS"
            )
    return frozenset(wanted)


class Shown:
    """Writes the events of one run as they come."""

    def __init__(self, here: Session, run: Run, wanted: Wanted, limit: int, after: int) -> None:
        self.here = here
        self.run = run
        self.wanted = wanted
        self.left = limit
        self.position = after
        self.reader = Reader()

    def rest(self) -> bool:
        """Writes what is new. False when as many as wanted have been written."""
        for entry in entries(self.here.store, self.run.run_id, self.position):
            self.position = entry.seq
            for event in self.reader.events(entry):
                if not self.wanted.holds(event):
                    continue
                if not self.left:
                    self.here.out.note("... and more: --limit, or --since.")
                    return False
                self.left -= 1
                self.write(event)
        return True

    def write(self, event: Event) -> None:
        if self.here.out.is_json:
            self.here.out.record(event.wire(self.run.run_id))
        else:
            self.here.out.line(event.line(self.run.created_ms))


def entries(store: Store, run_id: str, after: int) -> Iterator[Entry]:
    while page := store.entries(run_id, after, PAGE):
        yield from page
        after = page[-1].seq
