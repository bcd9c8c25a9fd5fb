"""kill -9 at a random moment: from the start of the new command to the next line that a task writes.

The whole command is killed, with its worker; the local server stays, as it does when a worker on the same machine dies.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from scripts.benches.commands import kill_all, planted, up, wait_until
from scripts.benches.goals import GOALS, TAKEOVER_SAMPLES
from scripts.benches.measure import Outcome
from scripts.benches.place import Place

TASKS = 20_000
LONGEST_S = 1.0


def run(place: Place) -> list[Outcome]:
    folder = place.fresh()
    shown = folder / "shown.txt"
    file = planted(folder, "steady")
    process = up(folder, file.name, "--run-id", "steady", input={"count": TASKS, "shown": str(shown)})
    taken: list[float] = []
    try:
        wait_until(lambda: lines(shown) > 3, "the first run")
        for number in range(1, place.sized(TAKEOVER_SAMPLES) + 1):
            time.sleep(random.uniform(0, LONGEST_S))  # noqa: S311  any moment will do
            kill_all(process)
            before, begun = lines(shown), time.time()
            process = up(folder, "--resume", "steady")
            wait_until(lambda before=before: lines(shown) > before, "the next line")
            taken.append(when(shown, before) - begun)
            place.say(f"takeover {number}: {taken[-1]:.3f}")
    finally:
        kill_all(process)
    return [Outcome("takeover", GOALS["takeover"], tuple(taken))]


def lines(shown: Path) -> int:
    return shown.read_bytes().count(b"\n") if shown.exists() else 0


def when(shown: Path, index: int) -> float:
    return float(shown.read_text().splitlines()[index].split()[0])
