"""Rows as records."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any

from smithers.engine.command import Command
from smithers.engine.entry import Entry
from smithers.engine.frame import NodeRow
from smithers.store.codes import Codes
from smithers.store.database import Connection
from smithers.store.records import CachedOutput, OpenCommandRow, Run, Schedule
from smithers.store.sql import PER_RUN
from smithers.store.texts import decode, decode_optional, loads

Row = tuple[Any, ...]
OPEN = 11
"""Where a command's row says whether it is open."""


def run(connection: Connection, row: Row) -> Run:
    run_id, workflow, status, epoch, head, planned, digest, source, created_ms, updated_ms, error, started = row
    begun = decode(connection, started)
    return Run(
        run_id=run_id,
        workflow=workflow,
        status=status,
        epoch=epoch,
        head=head,
        planned=planned,
        digest=digest,
        source=source,
        input=begun["input"],
        options=begun["options"],
        created_ms=created_ms,
        updated_ms=updated_ms,
        error=decode_optional(connection, error),
        tags=begun.get("tags", {}),
        idempotency_key=begun.get("idempotency_key", ""),
        parent=begun.get("parent"),
        continues=begun.get("continues"),
    )


def entries(connection: Connection, rows: Sequence[Row], codes: Codes) -> list[Entry]:
    return [
        Entry(id % PER_RUN, intern(kind), key, decode(connection, data), at_ms, codes.digest(connection, code))  # pyright: ignore[reportArgumentType]
        for id, kind, key, data, at_ms, code in rows
    ]


def command(connection: Connection, row: Row) -> OpenCommandRow:
    """From a row with the payload, or without."""
    id, kind, node, iteration, attempt, target, due_ms, timeout_ms, burst, epoch, owner = row[:OPEN]
    found = Command(
        n=id % PER_RUN,
        kind=kind,
        node=node,
        iteration=iteration,
        attempt=attempt,
        target=target,
        due_ms=due_ms,
        timeout_ms=timeout_ms,
        burst=bool(burst),
        payload=decode_optional(connection, row[OPEN + 1]) if len(row) > OPEN + 1 else None,
    )
    return OpenCommandRow(found, epoch, owner)


def node(connection: Connection, row: Row) -> NodeRow:
    node_id, iteration, kind, state, attempt, label, ordinal, detail, first_ms, ended_ms = row
    detail, around = decode_optional(connection, detail), None
    if detail is not None and "around" in detail:
        around = detail.pop("around")
        detail = detail or None
    return NodeRow(node_id, iteration, kind, state, attempt, label, ordinal, detail, first_ms, ended_ms, around)


def cached(connection: Connection, row: Row) -> CachedOutput:
    *about, data = row
    return CachedOutput(*about, output=decode(connection, data)["output"])


def schedule(row: Row) -> Schedule:
    name, data, paused, note, revision, created_ms, last_ms, last_run, error = row
    asked, known = loads(data), None if error is None else loads(error)
    when, request = asked["when"], asked["request"]
    return Schedule(name, when, request, bool(paused), note, revision, created_ms, last_ms, last_run or "", known)


def path(iteration: str) -> tuple[int, ...]:
    """Iterations in the order of their numbers: 2.10 comes after 2.9."""
    return tuple(int(part) for part in iteration.split(".") if part.isdigit())


def nearest(wanted: str, known: Sequence[str]) -> list[str]:
    """At most three ids that a person may have meant: those it is the beginning of, then those that look like it."""
    from difflib import get_close_matches

    begun = [one for one in known if wanted and one.startswith(wanted)][:3]
    return list(dict.fromkeys([*begun, *get_close_matches(wanted, known, 3)]))[:3]


def did_you_mean(near: Sequence[str]) -> str:
    return f" Did you mean {' or '.join(repr(one) for one in near)}?" if near else ""
