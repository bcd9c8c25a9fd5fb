"""A frame is the plan at one position of the log: what it starts, what changed. It is stored once, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Json, decided_key

PRODUCING: Final = ("task", "humantask", "subflow")
"""Kinds of nodes whose output may be that of their run; see `inline.last_output`."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One mounted node as people see it. Written by plans; the last write wins."""

    node: str
    iteration: str
    kind: str
    """task, approval, timer, wait-for-event, signal; empty for a node that has left the tree: then only its state is
    written."""
    state: str
    """pending, ready, running, cancelling, waiting-approval, waiting-event, waiting-queue, waiting-timer, finished,
    skipped, failed, cancelled."""
    attempt: int = 0
    label: str = ""
    ordinal: int = 0
    """Below 2**52, exact in JSON; sorts the nodes of one frame as the tree reads."""
    detail: Json | None = None
    """Task: `output`, its model's name. While it asks people: the request, see `engine/asks.py`; `ask` where that is
    not for the first time. Failed: `error`. Where people are asked, and a plan has brought the output: `value`.
    Wait for an event: event, correlation, output; waiting: the payload's schema, on_timeout, and unfit (seq and why of
    signals it cannot take); finished: the position of the signal it has taken, or that it timed out."""
    first_ms: int = 0
    """When the node was first stored as running or waiting; never erased. Stamped by the store: plans leave it 0."""
    ended_ms: int = 0
    """When it was stored in its final state; 0 while it has none. Stamped by the store too."""
    around: Json | None = None
    """While it is open: its place in the tree, see `engine/around.py`. Rows that older versions have written have
    none. The store keeps it with `detail`."""

    @property
    def kept(self) -> Json | None:
        """`detail` as the store keeps it, with what is around the node."""
        return self.detail if self.around is None else {**(self.detail or {}), "around": self.around}

    @property
    def decision_key(self) -> str:
        """Key of the fact that answers this approval, as often as it was asked when the row was written."""
        return decided_key(self.node, self.iteration, (self.detail or {}).get("ask", 1))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a planner decided, before it is stored."""

    base: int
    """The `planned` position this plan follows."""
    covers: int
    """Position of the last entry it has seen."""
    number: int
    """Frame number, from 1, without gaps."""
    frame: Json
    commands: tuple[Command, ...]
    closed: tuple[int, ...]
    """Open commands that need no carrying out any more."""
    nodes: tuple[NodeRow, ...]
    status: str
    """The run's status from this frame on."""
    error: Json | None = None
    unless: tuple[str, ...] = ()
    """Keys of entries with which it does not hold: somebody has answered what it has approved by itself."""

    @property
    def key(self) -> str:
        return f"frame:{self.number}"


def frame_hash(data: Json) -> str:
    """The same for frames that say the same; who has stored them does not count."""
    from pydantic_core import to_json  # 15 ms, which commands that only look need not pay

    kept = {name: value for name, value in sorted(data.items()) if name != "owner"}
    return sha256(to_json(kept)).hexdigest()


def delay_of(entry: Entry, n: int) -> tuple[int, int]:
    """How long a frame lets a command wait, and until when: one of the two is 0. Older frames do not say."""
    found = entry.data.get("delays", {}).get(str(n), (0, 0))
    return found[0], found[1]


def due(entry: Entry, n: int) -> int:
    """When a command of a frame is due, as the store has it too; 0 for at once, and where the frame does not say."""
    delay_ms, due_ms = delay_of(entry, n)
    return entry.at_ms + delay_ms if delay_ms else due_ms
