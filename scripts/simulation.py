"""`scripts/simulate`: many seeds of the simulation, on all processors, with progress."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final

from tests.simulation.shrinking import Failure, failure, shrunk

BATCH: Final = 50


def batch(first: int, count: int) -> list[Failure]:
    found = [one for seed in range(first, first + count) if (one := failure(seed))]
    return [shrunk(one) for one in found]


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(words)
    begun, done, failures = time.monotonic(), 0, 0
    last = given.first + given.seeds
    with ProcessPoolExecutor(given.jobs) as pool:
        told = [pool.submit(batch, at, min(BATCH, last - at)) for at in range(given.first, last, BATCH)]
        for future in as_completed(told):
            for found in future.result():
                failures += 1
                print(found, flush=True)
            done = min(done + BATCH, given.seeds)
            if done % (20 * BATCH) == 0:
                print(f"{done} seeds, {failures} failures, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(f"{given.seeds} seeds from {given.first}: {failures} failures in {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
