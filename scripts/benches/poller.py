"""A poller of 100,000 passes: a pass costs at the end what it cost at the beginning, and a cold worker goes on soon.

`poller.flat` compares the last tenth of the passes with the first; `poller.cold` is the time from the start of a new
worker, in a process that has its modules, until its first pass, after the one before it was stopped near the end.
"""

from __future__ import annotations

import time

from scripts.benches.commands import wait_until
from scripts.benches.goals import GOALS
from scripts.benches.measure import Outcome
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place

PASSES = 100_000
PER_PASS = 3
"""Entries: a claim, an end, a frame."""
SHARE = 10
NEAR_THE_END = 0.95
PATIENCE_S = 3600.0


def run(place: Place) -> list[Outcome]:
    passes = place.sized(PASSES)
    with ours(place, "poller", bursts=True) as our:
        run_id = our.start({"count": passes})
        wait_until(lambda: our.store.run(run_id).head > passes * PER_PASS * NEAR_THE_END, "most passes", PATIENCE_S)
    before = time.perf_counter()
    with ours(place, "poller", bursts=True) as our:
        stood = our.store.run(run_id).head
        wait_until(lambda: any(e.kind == "ended" for e in our.store.entries(run_id, after=stood)), "a new pass")
        cold = time.perf_counter() - before
        place.say(f"poller.cold: {cold:.3g} s at pass {stood // PER_PASS}")
        our.wait(run_id, "finished")
        first, last = (per_pass(our, run_id, passes, part) for part in (0, SHARE - 1))
    place.say(f"poller.flat: {first:.3g} ms per pass at first, {last:.3g} ms at last")
    return [
        Outcome("poller.flat", GOALS["poller.flat"], (last,), (first,)),
        Outcome("poller.cold", GOALS["poller.cold"], (cold,)),
    ]


def per_pass(our: Ours, run_id: str, passes: int, part: int) -> float:
    """Milliseconds, in one of ten parts."""
    at = [ended_ms(our, run_id, number) for number in (passes * part // SHARE, passes * (part + 1) // SHARE - 1)]
    return (at[1] - at[0]) / (passes / SHARE)


def ended_ms(our: Ours, run_id: str, number: int) -> int:
    return our.store.entries_by_key(run_id, f"ended:look:{number}:a")[-1].at_ms
