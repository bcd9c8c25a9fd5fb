"""A search for runs as a query. Each condition can be answered by an index of `schema.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from smithers.store import sql
from smithers.store.marks import CHAIN, LONGEST_NAME, PARENT, input_name, short, spellings, tag_name
from smithers.store.records import Search

MARKED: Final = "runs.id IN (SELECT run FROM marks WHERE name = ? AND value IN ({}))"
OLDER: Final = "(runs.created_ms, runs.id) < (SELECT created_ms, id FROM runs WHERE run_id = ?)"
LAST: Final = "\U0010ffff"


def searched(search: Search) -> tuple[str, tuple[Any, ...]]:
    """The query and its parameters."""
    found = list(conditions(search))
    parameters = [parameter for _, given in found for parameter in given]
    return sql.newest_runs([condition for condition, _ in found]), (*parameters, search.limit)


def conditions(search: Search) -> Iterator[tuple[str, Sequence[Any]]]:
    """Each with its parameters."""
    if search.statuses:
        yield f"runs.status IN ({holes(search.statuses)})", search.statuses
    if search.workflow:
        yield "runs.workflow = ?", (search.workflow,)
    for name, value in search.tags.items():
        yield MARKED.format("?"), (tag_name(name), short(value))
    for path, value in search.input.items():
        known = spellings(value)
        yield MARKED.format(holes(known)), (input_name(path), *known)
    if search.parent:
        yield MARKED.format("?"), (PARENT, short(search.parent, LONGEST_NAME))
    if search.chain:
        yield MARKED.format("?"), (CHAIN, short(search.chain, LONGEST_NAME))
    if search.since_ms is not None:
        yield "runs.created_ms >= ?", (search.since_ms,)
    if search.until_ms is not None:
        yield "runs.created_ms < ?", (search.until_ms,)
    if search.prefix:
        yield "runs.run_id >= ? AND runs.run_id < ?", (search.prefix, search.prefix + LAST)
    if search.before:
        yield OLDER, (search.before,)


def holes(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
