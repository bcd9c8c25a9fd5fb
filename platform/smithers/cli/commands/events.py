"""`smithers events`: what has happened in a run, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form, Out
from smithers.cli.session import Session, session
from smithers.cli.views.event_lines import event_line
from smithers.cli.watching import watched
from smithers.engine.catalogue import CATALOGUE, CATEGORIES, schema
from smithers.engine.chronicle import Event, Reader
from smithers.engine.entry import Entry
from smithers.errors import InputError
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.nodes import named
from smithers.views.times import now_ms, parse_span

PAGE = 2000
MOST = 100_000
"""Events at once."""


class By(StrEnum):
    node = "node"
    attempt = "attempt"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown."""

    node: str | None = None
    types: frozenset[str] = field(default_factory=frozenset[str])
    from_ms: int = 0
    after: int = 0

    def holds(self, event: Event) -> bool:
        if event.seq <= self.after or event.at_ms < self.from_ms:
            return False
        return (self.node is None or event.node == self.node) and (not self.types or event.type in self.types)


def command(  # shape: parameters: one per option
    run: RunArgument = None,
    node: Annotated[str | None, typer.Option("--node", "-n", help="Only events of this node.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", "-t", help=f"Only these: {', '.join(CATEGORIES)}, or a name such as NodeStarted."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", "-s", help="Only the last 30s, 5m, 2h, 1d; or `#120`: behind that position."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", help=f"At most so many, from 1 to {MOST:,}.")] = 1000,
    group_by: Annotated[
        By | None, typer.Option("--group-by", help="Under the node, or the attempt, that they are about.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", "--watch", "-w", help="Go on until the run has ended, or the last that goes on for it."
        ),
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", "-i", min=0.1, help="Seconds between two looks with --follow.")
    ] = 0.2,
    show_schema: Annotated[bool, typer.Option("--schema", help="The JSON schema of all events, and no run.")] = False,
    form: FormOption = Form.plain,
) -> int:
    """Shows what has happened in a run, in order."""
    if show_schema:
        Out(form).document(schema())
        return 0
    if not 1 <= limit <= MOST:
        raise refused(f"--limit={limit}: give 1 to {MOST:,}.")
    if group_by is not None and follow:
        raise refused("--group-by sorts what there is; with --follow there is always more. Leave one of them out.")
    after, from_ms = beginning(since)
    wanted = Wanted(node, types(kind or []), from_ms, after)
    with session(form) as here:
        found = here.run(run)
        shown = Shown(here, found, wanted, limit)
        if group_by is not None:
            shown.grouped(group_by)
            return 0
        for now in watched(here.store, found, interval) if follow else (found,):
            shown.turn_to(now)
            if not shown.rest():
                break
    return 0


def refused(message: str) -> InputError:
    return InputError(message, code="INVALID_EVENTS_OPTIONS")


def beginning(since: str | None) -> tuple[int, int]:
    """A position of the log, and a time before which nothing is shown."""
    if since is None:
        return 0, 0
    if since.startswith("#") and since[1:].isdigit():
        return int(since[1:]), 0
    try:
        return 0, now_ms() - parse_span(since, "--since")
    except InputError as error:
        raise refused(error.message) from None


def types(wanted: list[str]) -> frozenset[str]:
    """The names that are meant by categories and names."""
    found: set[str] = set()
    for one in wanted:
        meant = [known.name for known in CATALOGUE.values() if one in (known.category, known.name)]
        if not meant:
            near = get_close_matches(one, [*CATEGORIES, *CATALOGUE], 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise refused(
                f"--type={one!r} is unknown.{hint} There are: {', '.join(CATEGORIES)}, and the names of events "
                "(docs/events.md)."
            )
        found.update(meant)
    return frozenset(found)


class Shown:
    """Writes the events of one run as they come."""

    def __init__(self, here: Session, run: Run, wanted: Wanted, limit: int) -> None:
        self.here = here
        self.run = run
        self.wanted = wanted
        self.left = limit
        self.position = 0
        self.reader = Reader()

    def turn_to(self, run: Run) -> None:
        """Goes on with another run, from its beginning."""
        if run.run_id != self.run.run_id:
            self.run, self.position, self.reader = run, 0, Reader()
            self.wanted = replace(self.wanted, after=0)

    def rest(self) -> bool:
        """Writes what is new. False when as many as wanted have been written."""
        for event in self.new():
            if not self.left:
                self.here.out.note("... and more: --limit, or --since.")
                return False
            self.left -= 1
            self.write(event)
        return True

    def new(self) -> Iterator[Event]:
        """The wanted ones behind the position. All entries are read: an event may need what came before."""
        for entry in entries(self.here.store, self.run.run_id, self.position):
            self.position = entry.seq
            yield from filter(self.wanted.holds, self.reader.events(entry))

    def grouped(self, by: By) -> None:
        """Under headings, in the order in which each was first heard of; what is about no node comes first."""
        groups: dict[str, list[Event]] = {"": []}
        for event in islice(self.new(), self.left):
            heading = named(event.node, event.iteration) if event.node else ""
            if by is By.attempt and event.attempt:
                heading += f" attempt {event.attempt}"
            groups.setdefault(heading, []).append(event)
        if self.here.out.is_json:
            wires = {name: [one.wire(self.run.run_id) for one in events] for name, events in groups.items() if events}
            self.here.out.document({"runId": self.run.run_id, "groups": wires})
            return
        for name, events in groups.items():
            if events:
                self.here.out.line(name or f"run {self.run.run_id}")
                self.here.out.lines([f"  {event_line(event, self.run.created_ms)}" for event in events])

    def write(self, event: Event) -> None:
        if self.here.out.is_json:
            self.here.out.record(event.wire(self.run.run_id))
        else:
            self.here.out.line(event_line(event, self.run.created_ms))


def entries(store: Store, run_id: str, after: int) -> Iterator[Entry]:
    while page := store.entries(run_id, after, PAGE):
        yield from page
        after = page[-1].seq
