"""Which runs are meant, as options say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from smithers.cli.inputs import pairs
from smithers.errors import InputError
from smithers.store.interface import Store
from smithers.store.records import Run, Search
from smithers.views.children import WAITS, as_seen
from smithers.views.times import now_ms, parse_span

INPUT: Final = "input."


def input_values(where: Sequence[str]) -> dict[str, str]:
    """`input.order.id=17` as path and value. Raises `InputError`."""
    found = pairs(where, "--where")
    for name in found:
        if not name.startswith(INPUT) or name == INPUT:
            raise InputError(
                f"--where {name!r} is not in the input: write --where input.FIELD=VALUE, with dots for fields of "
                "fields. Tags are looked for with --tag, statuses with --status.",
                option="--where",
            )
    return {name.removeprefix(INPUT): value for name, value in found.items()}


def parse_moment(text: str | None, option: str) -> int | None:
    """Milliseconds since the epoch of `2h` (ago), `2026-03-01`, or `2026-03-01T09:30` (here, or with an offset)."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return int(moment.timestamp() * 1000)
    try:
        return now_ms() - parse_span(text, option)
    except InputError:
        raise InputError(
            f"{option}={text!r} is no time: write how long ago (30m, 2h, 7d) or a moment (2026-03-01, "
            "2026-03-01T09:30, 2026-03-01T09:30+02:00).",
            option=option,
        ) from None


def seen_runs(store: Store, search: Search) -> list[Run]:
    """The runs of a search as people see them, newest first. One whose child runs wait is found by what they wait for,
    though it is `running` in the store; so a search for statuses looks at the running runs, too."""
    stored = search.statuses
    if set(stored) & set(WAITS):
        stored = tuple(dict.fromkeys((*stored, "running")))
    found: list[Run] = []
    page = replace(search, statuses=stored)
    while len(found) < search.limit:
        runs = store.search(page)
        seen = (as_seen(store, run) for run in runs)
        found += [run for run in seen if not search.statuses or run.status in search.statuses]
        if len(runs) < page.limit:
            break
        page = replace(page, before=runs[-1].run_id)
    return found[: search.limit]
