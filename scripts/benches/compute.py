"""2,000 short tasks in sequence, done in bursts, each stored with a full sync before the next begins."""

from __future__ import annotations

from scripts.benches.bare import bare_loop
from scripts.benches.measure import Outcome
from scripts.benches.ours import ours
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved

TASKS = 2000


def run(place: Place) -> list[Outcome]:
    count = place.sized(TASKS)
    with ours(place, "chain", bursts=True) as our:
        return [
            interleaved(
                "compute",
                place.rounds,
                lambda: our.rate(count),
                lambda: bare_loop(place.fresh() / "bare.db", count),
                place.say,
            ),
        ]
