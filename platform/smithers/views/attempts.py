"""The attempts of one node, put together from its claims, answers and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from smithers.engine.entry import Entry, Json, taken_from
from smithers.store.interface import Store
from smithers.views.times import iso
from smithers.views.usage import usage_wire


@dataclass(slots=True)
class Claim:
    """One time that the attempt's body was begun."""

    n: int
    nth: int
    at_ms: int
    worker: str
    end: str = ""
    """died, released; empty while open or after an answer."""
    why: str = ""


@dataclass(slots=True)
class Attempt:
    number: int
    claims: list[Claim] = field(default_factory=list[Claim])
    outcome: str = "running"
    ended_ms: int = 0
    ms: int = 0
    """The body's own time."""
    output: Any = None
    error: Json | None = None
    usage: Json | None = None
    """What its body has reported: input_tokens, output_tokens, cost_usd."""
    cached: str = ""
    """The run whose output was taken instead of running."""
    missed: str = ""
    """Why an output that the cache had was not taken."""

    @property
    def started_ms(self) -> int:
        return self.claims[0].at_ms if self.claims else self.ended_ms

    def wire(self) -> Json:
        return {
            "attempt": self.number,
            "state": self.outcome,
            "startedAt": iso(self.started_ms),
            "endedAt": iso(self.ended_ms) if self.ended_ms else None,
            "durationMs": self.ms if self.ended_ms else None,
            "output": self.output,
            "error": self.error,
            "usage": usage_wire(self.usage),
            "cached": bool(self.cached),
            "cachedFrom": self.cached or None,
            "claims": [
                {
                    "startedAt": iso(claim.at_ms),
                    "worker": claim.worker,
                    "end": claim.end or None,
                    "why": claim.why or None,
                }
                for claim in self.claims
            ],
        }


def attempts_of(store: Store, run_id: str, node: str, iteration: str) -> list[Attempt]:
    """In order. A node that never ran has none."""
    found: dict[int, Attempt] = {}
    for entry in node_entries(store, run_id, "claim", node, iteration):
        data = entry.data
        attempt = found.setdefault(data["attempt"], Attempt(data["attempt"]))
        attempt.claims.append(Claim(data["n"], data.get("nth", 1), entry.at_ms, str(data.get("worker", ""))))
    for entry in node_entries(store, run_id, "ended", node, iteration):
        answer(found.setdefault(entry.data["attempt"], Attempt(entry.data["attempt"])), entry)
    for attempt in found.values():
        for claim in attempt.claims:
            end_of(store, run_id, claim)
    return [found[number] for number in sorted(found)]


def node_entries(store: Store, run_id: str, kind: str, node: str, iteration: str) -> Iterator[Entry]:
    """Ids may hold colons, so that a prefix of keys may bring those of other nodes."""
    for entry in store.entries_by_key(run_id, f"{kind}:{node}:{iteration}:"):
        if entry.data.get("node") == node and entry.data.get("iteration") == iteration:
            yield entry


def answer(attempt: Attempt, entry: Entry) -> None:
    attempt.outcome, attempt.ended_ms = entry.data["outcome"], entry.at_ms
    attempt.output, attempt.error = entry.data.get("output"), entry.data.get("error")
    attempt.usage = entry.data.get("usage")
    cache: Json = entry.data.get("cache") or {}
    attempt.cached, attempt.missed = taken_from(entry.data), cache.get("missed", "")
    attempt.ms = round(entry.data.get("ms") or max(0, entry.at_ms - attempt.started_ms))


def end_of(store: Store, run_id: str, claim: Claim) -> None:
    for kind in ("died", "released"):
        for entry in store.entries_by_key(run_id, f"{kind}:{claim.n}:{claim.nth}"):
            if entry.data.get("nth") == claim.nth:
                claim.end, claim.why = kind, str(entry.data.get("why", ""))
