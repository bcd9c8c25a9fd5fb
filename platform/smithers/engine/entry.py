"""An entry is one fact in a run's log: what happened, once, at a position nobody else can take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "started",
    "carried",
    "continued",
    "frame",
    "claim",
    "launched",
    "admitted",
    "ended",
    "decided",
    "voted",
    "withdrawn",
    "delegated",
    "reminded",
    "escalated",
    "fired",
    "cancel",
    "died",
    "released",
    "settled",
    "render_failed",
    "follow",
    "resumed",
    "retried",
    "redriven",
    "signal",
    "paused",
    "unpaused",
    "amended",
    "rejected",
]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log, as it was stored."""

    seq: int
    """Position in the run's log, from 1, without gaps."""
    kind: Kind
    key: str
    """Unique in the run: a second fact with the same key is a duplicate and is not stored."""
    data: Json
    at_ms: int
    """Milliseconds since the epoch, stamped in the appending transaction; never goes down within a run."""
    code: str = ""
    """Digest of the code that wrote it; empty where no author's code was involved (a person, the API)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An entry before it is stored: it has no position and no time yet."""

    kind: Kind
    key: str
    data: Json = field(default_factory=dict[str, Any])
    needs: Need | None = None
    """What must be true in the appending transaction; otherwise the fact is not stored."""


@dataclass(frozen=True, slots=True)
class OpenCommand:
    """The fact is about command `n`, which must be open. `closes` says whether the fact ends it."""

    n: int
    closes: bool = True
    begins: bool = False
    """The fact begins a body: the run must not be paused."""
    unless: str = ""
    """Key of an entry that must not be there."""


@dataclass(frozen=True, slots=True)
class NewestClaim:
    """Command `n` must be open, and nobody may have begun its body after the nth claim on its attempt (0 is none)."""

    n: int
    node: str
    iteration: str
    attempt: int
    nth: int
    closes: bool = True

    @property
    def next_key(self) -> str:
        """Of the claim that must not be there."""
        return claim_key(self.node, self.iteration, self.attempt, self.nth + 1)


@dataclass(frozen=True, slots=True)
class NodeState:
    """The node must be in one of `states` (as the nodes projection has it)."""

    node: str
    iteration: str
    states: tuple[str, ...]
    unless: str = ""
    """Key of an entry that must not be there: what it stands for is no longer asked."""
    following: str = ""
    """Key of another one: it would stand for what somebody has said since the question was looked at."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """The run must not have ended."""

    paused: bool | None = None
    """Given: whether it must be paused, or must not be."""
    unless: str = ""
    """Key of an entry that must not be there."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """The run must have ended with one of `statuses`; storing the fact opens it again and raises its epoch."""

    statuses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogEnds:
    """The run must not have ended, and nothing must stand behind `position`: what the fact says was read there."""

    position: int


Need = LogEnds | OpenCommand | NewestClaim | NodeState | OpenRun | EndedRun


def node_key(node: str, iteration: str) -> str:
    """Names a node within its run. Iterations hold digits and dots only, so the last colon divides."""
    return f"{node}:{iteration}"


def split_node_key(key: str) -> tuple[str, str]:
    node, _, iteration = key.rpartition(":")
    return node, iteration


def taken_from(ended: Json) -> str:
    """The run whose output a task has taken from the cache, of its `ended` entry; empty where it has run itself."""
    cache: Json = ended.get("cache") or {}
    hit: Json = cache.get("hit") or {}
    return hit.get("run", "")


def ended_key(node: str, iteration: str, attempt: int) -> str:
    return f"ended:{node}:{iteration}:a{attempt}"


def decided_key(node: str, iteration: str, ask: int = 1) -> str:
    """`ask` says which time the approval is asked: a resume takes a denial back and asks again."""
    return f"decided:{node}:{iteration}" + (f"#{ask}" if ask > 1 else "")


def vote_key(decision: str, nth: int) -> str:
    """The nth (from 1, without gaps) thing that was said to the question whose decision has this key, before that: one
    of several answers, one that is taken back, a delegation."""
    return f"{decision}~{nth}"


def refused_key(decision: str, nth: int) -> str:
    """The nth (from 1, without gaps) answer that did not fit, to the question whose answer has this key."""
    return f"rejected:{decision}~{nth}"


def reminded_key(decision: str, nth: int) -> str:
    """The nth (from 1, without gaps) reminder of the question whose decision has this key."""
    return f"reminded:{decision}~{nth}"


def escalated_key(decision: str) -> str:
    return f"escalated:{decision}"


def claim_key(node: str, iteration: str, attempt: int, nth: int) -> str:
    """The nth (from 1, without gaps) time that this attempt's body was begun. A subflow's child run is begun once."""
    return f"claim:{node}:{iteration}:a{attempt}:{nth}"
