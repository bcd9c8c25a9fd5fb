"""From a person's decision to the first line of the task that waited for it.

On a worker that is idle; on one that works off another run's short tasks in bursts; on one that has 50 long bodies in
flight. Decisions come at moments that have nothing to do with what the worker does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from scripts.benches.commands import wait_until
from scripts.benches.goals import GOALS
from scripts.benches.measure import Outcome
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place

PER_ROUND: Final = 10
PAUSE_S: Final = 0.1
LOADS: Final = {"idle": ("", 0), "busy": ("short", 50_000), "crowded": ("long", 50)}
"""What else the worker has to do, and how much of it."""


def run(place: Place) -> list[Outcome]:
    with ours(place, "office", bursts=True) as our:
        return [measured(place, our, name) for name in LOADS]


def measured(place: Place, our: Ours, name: str) -> Outcome:
    taken: list[float] = []
    for number in range(1, place.rounds + 1):
        with load(our, *LOADS[name]):
            sampled = answered(our)
        place.say(f"wake.{name} {number}: " + " ".join(f"{sample:.1f}" for sample in sampled))
        taken += sampled
    return Outcome(f"wake.{name}", GOALS[f"wake.{name}"], tuple(taken))


def answered(our: Ours) -> list[float]:
    """Milliseconds for each question of one run; the first warms up."""
    run_id = our.start({"kind": "questions", "count": PER_ROUND + 1})
    taken = [answer(our, run_id, number) for number in range(PER_ROUND + 1)][1:]
    our.wait(run_id, "finished")
    return taken


def answer(our: Ours, run_id: str, number: int) -> float:
    wait_until(lambda: our.waits(run_id, f"ask{number}"), f"ask{number}")
    time.sleep(random.uniform(0, PAUSE_S))  # noqa: S311  any moment will do
    decided = time.time()
    our.approve(run_id, f"ask{number}")
    wait_until(lambda: our.output(run_id, f"then{number}") is not None, f"then{number}")
    return ((our.output(run_id, f"then{number}") or {})["seconds"] - decided) * 1000


@contextmanager
def load(our: Ours, kind: str, count: int) -> Generator[None]:
    """Another run that keeps the worker busy meanwhile."""
    if not kind:
        yield
        return
    run_id = our.start({"kind": kind, "count": count})
    wait_until(begun(our, run_id, kind, count), f"{count} {kind} tasks")
    try:
        yield
    finally:
        our.cancel(run_id)
        our.wait(run_id, "cancelled", "finished")


def begun(our: Ours, run_id: str, kind: str, count: int) -> Callable[[], bool]:
    if kind == "short":
        return lambda: our.store.run(run_id).head > 100
    return lambda: len(our.store.entries_by_key(run_id, "claim:")) >= count
