"""Events: what runs wait for, what was sent to them, and how one is stored. Needs the store only."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import PREFIX, WAITING, Sent, open_waits, refusal
from smithers.engine.state import FINAL
from smithers.errors import InputError, WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.ended import RUN, how_it_ended
from smithers.views.nodes import shown_iteration
from smithers.views.times import iso

ANY: Final = "*"
"""As a correlation id to look for: any, and none."""


def open_events(rows: Iterable[NodeRow]) -> list[NodeRow]:
    return [row for row in rows if row.state == WAITING]


def told_event(row: NodeRow) -> str:
    """`deploy.completed`, or with its id `deploy.completed (pr-7)`."""
    detail = row.detail or {}
    correlation = f" ({detail['correlation']})" if detail.get("correlation") else ""
    return f"{detail.get('event')!r}{correlation}"


def event_wire(row: NodeRow) -> Json:
    detail = row.detail or {}
    return {
        "nodeId": row.node,
        "iteration": shown_iteration(row.iteration),
        "event": detail.get("event"),
        "correlationId": detail.get("correlation"),
        "output": detail.get("output"),
        "onTimeout": detail.get("on_timeout"),
        "unfit": detail.get("unfit", []),
    }


def send_command(run_id: str, detail: Json | None) -> str:
    """What to type, with the fields that the payload needs."""
    about = detail or {}
    words = ["smithers", "signal", run_id, str(about.get("event"))]
    if about.get("correlation"):
        words += ["--correlation", about["correlation"]]
    schema: Json = about.get("schema") or {}
    required: list[str] = schema.get("required", [])
    if required:
        words += ["--data", json.dumps(dict.fromkeys(required, "..."))]
    return shlex.join(words)


def check_names(name: str, correlation: str | None) -> None:
    """Raises `InputError` for a name or correlation id that no wait can have: it would be kept for ever."""
    from smithers.flow.event import LONGEST_NAME

    for text in (name, *([] if correlation is None else [correlation])):
        if text != text.strip() or not text.isprintable() or not 0 < len(text) <= LONGEST_NAME:
            raise InputError(
                "The name of an event and its correlation id are texts that are not empty, without blanks at their "
                f"ends, of at most {LONGEST_NAME} characters: {text!r:.80} would never be waited for."
            )


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of an event."""

    entry: Entry
    is_new: bool
    """False if the very same event was stored before."""
    waits: tuple[NodeRow, ...]
    """Who was waiting for one of this name."""


def deliver(store: Store, run: Run, sent: Sent) -> Delivered:
    """Stores an event. Raises `WrongState` if the run has ended, and `InvalidInput` if its payload fits nobody who
    waits for it."""
    if run.status in FINAL:
        raise takes_none(store, run, sent.name)
    rows = store.nodes(run.run_id)
    refused = refusal(sent, rows)
    if refused is not None:
        raise refused
    done = store.append(Append(run.run_id, (sent.fact,)))
    if done.outcomes == ("rejected",):
        raise takes_none(store, store.run(run.run_id), sent.name)
    stored = done.outcomes == ("stored",)
    entry = done.entries[0] if stored else store.entries_by_key(run.run_id, sent.key)[0]
    return Delivered(entry, stored, tuple(open_waits(rows, sent.name, sent.correlation)))


def takes_none(store: Store, run: Run, name: str) -> WrongState:
    instead = shlex.join(("signal", RUN, name))
    text = f"Run {run.run_id} takes no events: {how_it_ended(store, run, instead)}. Nothing was stored."
    return WrongState(text, run=run.run_id, status=run.status)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which signals of a run to look at."""

    name: str = ""
    correlation: str | None = ANY
    """None is for those without one."""
    after_ms: int = 0
    """Received at this time or later, milliseconds since the epoch."""
    limit: int = 200

    def admits(self, entry: Entry) -> bool:
        data = entry.data
        is_meant = self.correlation == ANY or data.get("correlation") == self.correlation
        return data["name"] == (self.name or data["name"]) and is_meant and entry.at_ms >= self.after_ms


@dataclass(frozen=True, slots=True)
class Received:
    """A signal in the log, and who has taken it."""

    entry: Entry
    taken_by: NodeRow | None

    def wire(self) -> Json:
        data: dict[str, Any] = self.entry.data
        taken = self.taken_by
        return {
            "seq": self.entry.seq,
            "name": data["name"],
            "correlationId": data.get("correlation"),
            "payload": data.get("payload"),
            "by": data.get("by"),
            "at": iso(self.entry.at_ms),
            "takenBy": None if taken is None else {"nodeId": taken.node, "iteration": shown_iteration(taken.iteration)},
        }


def received(store: Store, run_id: str, wanted: Filter) -> list[Received]:
    """In order of arrival."""
    prefix = f"{PREFIX}{wanted.name}:" if wanted.name else PREFIX
    found = [entry for entry in store.entries_by_key(run_id, prefix) if wanted.admits(entry)]
    taken = {row.detail["signal"]: row for row in store.nodes(run_id) if row.detail and "signal" in row.detail}
    kept = sorted(found, key=lambda entry: entry.seq)[: wanted.limit]
    return [Received(entry, taken.get(entry.seq)) for entry in kept]
