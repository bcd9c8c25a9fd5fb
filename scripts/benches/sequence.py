"""A sequence of 200 tasks that do nothing, one activity each."""

from __future__ import annotations

from scripts.benches.handwritten import by_hand
from scripts.benches.measure import Outcome
from scripts.benches.ours import ours
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved

TASKS = 200


def run(place: Place) -> list[Outcome]:
    count = place.sized(TASKS)
    with by_hand(place) as other, ours(place, "chain", bursts=False) as our:
        return [
            interleaved("sequence", place.rounds, lambda: our.rate(count), lambda: other.sequence(count), place.say),
        ]
