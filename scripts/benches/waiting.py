"""A thousand runs that wait on one worker: what memory it takes, and how soon all of them go on after a broadcast.

The same event goes to each run at the same time, from as many threads or coroutines on both sides; what counts is the
moment at which the last run's next task has begun. By hand it is a workflow that waits for a signal, a thousand times.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from scripts.benches.commands import wait_until
from scripts.benches.goals import GOALS
from scripts.benches.handwritten import by_hand
from scripts.benches.measure import Outcome
from scripts.benches.memory import family, pss_bytes
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved

RUNS = 1000
SENDERS = 16
PATIENCE_S = 300.0
PUT_AWAY_S = 0.01
"""For each run."""


def run(place: Place) -> list[Outcome]:
    count, events = place.sized(RUNS), place.rounds + 1
    supervisor = place.server.supervisor_pid  # with the server below it
    with ours(place, "audience", bursts=True) as our:
        runs = gathered(our, count, events, place)
        megabytes = pss_bytes(os.getpid()) / 1e6
        server = sum(pss_bytes(pid) for pid in family(supervisor)) / 1e6
        place.say(f"waiting.memory: {megabytes:.0f} MB with {count} runs, and {server:.0f} MB for Temporal's server")
        memory = Outcome("waiting.memory", GOALS["waiting.memory"], (megabytes,))
        with by_hand(place) as other:
            waiting = other.waiting(count, events)
            wanted = iter(range(events))
            broadcast = interleaved(
                "waiting.broadcast",
                place.rounds,
                lambda: told(our, runs, next(wanted)),
                lambda: settled(other.told(waiting, SENDERS), count),
                place.say,
            )
    return [memory, broadcast]


def gathered(our: Ours, count: int, events: int, place: Place) -> list[str]:
    """Ids of runs that all wait for their first event."""

    def start(_: int) -> str:
        return our.start({"count": events})

    with ThreadPoolExecutor(SENDERS) as threads:
        runs = list(threads.map(start, range(count)))
    place.say(f"waiting: {count} runs are started")
    for run_id in runs:
        our.wait(run_id, "waiting-event")
    return runs


def told(our: Ours, runs: list[str], number: int) -> float:
    """Seconds from the first event sent until the last run's next task had begun."""

    def send(run_id: str) -> None:
        our.send(run_id, f"go{number}")

    begun = time.time()
    with ThreadPoolExecutor(SENDERS) as threads:
        list(threads.map(send, runs))
    found = dict.fromkeys(runs, 0.0)

    def all_have_gone_on() -> bool:
        for run_id in [run_id for run_id, at in found.items() if not at]:
            output = our.output(run_id, f"then{number}")
            if output is None:
                return False
            found[run_id] = output["seconds"]
        return True

    wait_until(all_have_gone_on, f"then{number} of all runs", PATIENCE_S)
    for run_id in runs:
        our.wait(run_id, "waiting-event", "finished")
    return settled(max(found.values()) - begun, len(runs))


def settled(sample: float, count: int) -> float:
    """Lets the server put away what came after the moment that counts, so that the other side does not pay for it."""
    time.sleep(count * PUT_AWAY_S)
    return sample
