"""What one task costs in a run of 10,000, against a run of 100: it must not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable

from scripts.benches.measure import Outcome
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved

MANY, FEW = 10_000, 100
REPEATED = 10
"""Short runs per sample, so that start and end of one do not drown in the clock's steps."""


def run(place: Place) -> list[Outcome]:
    return [shape(place, flow) for flow in ("chain", "reading", "parallel")]


def shape(place: Place, flow: str) -> Outcome:
    with ours(place, flow, bursts=flow != "parallel") as our:
        return interleaved(
            f"flat.{flow}",
            place.rounds,
            cost(our, place.sized(MANY), 1),
            cost(our, FEW, REPEATED),
            place.say,
        )


def cost(our: Ours, count: int, times: int) -> Callable[[], float]:
    """Milliseconds per task."""
    return lambda: sum(our.finished({"count": count}) for _ in range(times)) * 1000 / (count * times)
