"""Samples, goals, and whether the one meets the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Of = Literal["ratio", "median", "p95", "max"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One number that a benchmark's samples must reach or stay below."""

    of: Of
    """`ratio` is the median of ours by the median of the other."""
    at: float
    more_is_better: bool = False

    def met(self, ours: Sequence[float], other: Sequence[float]) -> bool:
        reached = VALUES[self.of](ours, other)
        return reached >= self.at if self.more_is_better else reached <= self.at

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.more_is_better else '<='} {self.at:g}"


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(ours) / statistics.median(other)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of all samples does not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


VALUES: Final[dict[Of, Callable[[Sequence[float], Sequence[float]], float]]] = {
    "ratio": ratio,
    "median": lambda ours, _: statistics.median(ours),
    "p95": lambda ours, _: percentile(ours, 0.95),
    "max": lambda ours, _: max(ours),
}


@dataclass(frozen=True, slots=True)
class Goal:
    unit: str
    limits: tuple[Limit, ...]
    """All of them must be met."""
    other: str = ""
    """What ours is compared with; empty where a number stands for itself."""

    def __str__(self) -> str:
        return " and ".join(map(str, self.limits))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one benchmark, or one part of one, measured."""

    name: str
    goal: Goal
    ours: tuple[float, ...]
    other: tuple[float, ...] = ()

    @property
    def met(self) -> bool:
        return all(limit.met(self.ours, self.other) for limit in self.goal.limits)

    @property
    def reached(self) -> dict[str, float]:
        """The numbers that the goal is about, by what they are."""
        return {limit.of: VALUES[limit.of](self.ours, self.other) for limit in self.goal.limits}

    def document(self) -> dict[str, Any]:
        return {
            "ours": list(self.ours),
            "other": list(self.other),
            "unit": self.goal.unit,
            "goal": str(self.goal),
            "reached": self.reached,
            "met": self.met,
        }

    def lines(self) -> list[str]:
        """For people: the verdict with its numbers, medians, then the raw samples."""
        reached = ", ".join(f"{of} {number(value)}" for of, value in self.reached.items())
        verdict = "ok    " if self.met else "MISSED"
        told = [
            f"{verdict} {self.name}: {reached} (goal: {self.goal})",
            f"    ours   {samples(self.ours, self.goal.unit)}",
        ]
        return told + ([f"    other  {samples(self.other, self.goal.unit)}  [{self.goal.other}]"] if self.other else [])


def samples(values: Sequence[float], unit: str) -> str:
    raw = " ".join(number(value) for value in values[:40])
    more = f" ... {len(values)} in all" if len(values) > 40 else ""
    return f"median {number(statistics.median(values))} {unit}; raw: {raw}{more}"


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One benchmark's outcomes as one object. Of several parts the worst stands for all, and `parts` has each."""
    if len(outcomes) == 1:
        return outcomes[0].document()
    worst = next((outcome for outcome in outcomes if not outcome.met), outcomes[0])
    return worst.document() | {"parts": {outcome.name: outcome.document() for outcome in outcomes}}
