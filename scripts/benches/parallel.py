"""200 tasks that do nothing, at most 100 of them in flight."""

from __future__ import annotations

from scripts.benches.handwritten import by_hand
from scripts.benches.measure import Outcome
from scripts.benches.ours import ours
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved

TASKS, CAP = 200, 100


def run(place: Place) -> list[Outcome]:
    count = place.sized(TASKS)
    with by_hand(place) as other, ours(place, "parallel", bursts=False) as our:
        return [
            interleaved(
                "parallel",
                place.rounds,
                lambda: our.rate(count, cap=CAP),
                lambda: other.parallel(count, CAP),
                place.say,
            ),
        ]
