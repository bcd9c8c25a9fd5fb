"""An event on its way into a run's log: what the entry says, and when it is refused at the door.

An event is refused only while somebody waits for it and it fits nobody who does: then there is a person or a program
to be told. One that comes early is kept whatever it holds; if it does not fit when its wait comes, the wait says so and
the run is unharmed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json

from smithers.engine.entry import Fact, Json, OpenRun
from smithers.engine.fold import given
from smithers.engine.frame import NodeRow
from smithers.engine.schema import complaints, told
from smithers.errors import InvalidInput

WAITING: Final = "waiting-event"
PREFIX: Final = "signal:"
"""Of the keys of all signals."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One event, as somebody has sent it. Two that are the same in everything are one, and are stored once."""

    name: str
    payload: Any
    """JSON; None is an empty object."""
    correlation: str | None
    by: str | None
    received_ns: int
    """When it was received, nanoseconds since the epoch: what tells a second event from the same one brought again."""

    @property
    def data(self) -> Json:
        return {"name": self.name, "payload": self.payload, "correlation": self.correlation, "by": self.by}

    @property
    def key(self) -> str:
        said = to_json([self.payload, self.correlation, self.by, self.received_ns])
        return f"{PREFIX}{self.name}:{hashlib.sha256(said).hexdigest()[:16]}"

    @property
    def fact(self) -> Fact:
        return Fact("signal", self.key, self.data, OpenRun())


def open_waits(rows: Iterable[NodeRow], name: str, correlation: str | None) -> list[NodeRow]:
    """Rows of waits that an event of this name and correlation id would go to, if its payload fits."""
    open_ones = [(row, row.detail or {}) for row in rows if row.state == WAITING]
    return [
        row
        for row, detail in open_ones
        if detail.get("event") == name and detail.get("correlation") in (None, correlation)
    ]


def refusal(sent: Sent, rows: Iterable[NodeRow]) -> InvalidInput | None:
    """The error for an event that somebody waits for, and that fits nobody who does; None where it is to be stored."""
    waits = open_waits(rows, sent.name, sent.correlation)
    found = [(row, complaints((row.detail or {}).get("schema") or {}, given(sent.payload))) for row in waits]
    if not found or any(not wrong for _, wrong in found):
        return None
    row, wrong = found[0]
    model = (row.detail or {}).get("output", "the model")
    return InvalidInput(
        f"The payload of {sent.name!r} does not fit {model}, which {row.node!r} waits for: {told(wrong)}. "
        "Nothing was stored.",
        code="INVALID_PAYLOAD",
        node=row.node,
        fields=[one.partition(": ")[0] for one in wrong],
    )
