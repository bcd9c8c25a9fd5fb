"""`scripts/chaos`: does harm to real processes, at full size, and prints what came of it."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chaos.killing import Killer
from tests.chaos.place import Place, early_continue, place

ROOT: Final = Path(__file__).resolve().parents[2]
Chaos = Callable[[argparse.Namespace], list[str]]


def say(text: str) -> None:
    """Progress. Standard output is for results."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def somewhere(**env: str) -> Generator[Place]:
    """Below the checkout, not in a temporary folder: those may be in memory, and then a sync costs nothing."""
    above = ROOT / "build" / "chaos"
    above.mkdir(parents=True, exist_ok=True)
    with place(above, **env) as made:
        yield made


def kills(given: argparse.Namespace) -> list[str]:
    with somewhere() as here:
        here.env["SMITHERS_TEMPORAL_CLI"] = early_continue(here.root, given.events)
        round_of = {"chain": 60, "fan": 8, "flaky": 1, "asked": True, "pause": "300ms", "alone": 2, "each_ms": 10}
        killer = Killer(here, random.Random(given.seed), {"rounds": 2, **round_of}, say)  # noqa: S311  a seed repeats it
        report = killer.until(given.kills)
    print(report.summary())
    return report.problems


CHAOSES: Final[dict[str, Chaos]] = {"kills": kills}


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("chaos", choices=CHAOSES)
    parser.add_argument("--kills", type=int, default=200, help="how many kills")
    parser.add_argument("--events", type=int, default=60, help="after which a driver continues as new")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "SMITHERS_")) and name != "SMITHERS_TEMPORAL_CLI":
            del os.environ[name]
    given = options(arguments)
    problems = CHAOSES[given.chaos](given)
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
