"""`scripts/bench`: how quick it is, side by side with the same work written by hand; see each file's first lines."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from scripts.benches.measure import Outcome, document
from scripts.benches.place import Place, place

NAMES: Final = (
    *("sequence", "parallel", "compute", "flat", "hello", "memory", "stored", "wake", "takeover"),
    *("waiting", "long", "poller"),
)
LEAST_ROUNDS: Final = 5


def say(text: str) -> None:
    """Progress. Standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--only", metavar="NAME,...", default=",".join(NAMES), help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="of each side, in turns; at least 5 count")
    parser.add_argument("--scale", type=float, default=1.0, help="of the work; below 1 for a quick look")
    parser.add_argument("--json", action="store_true", help="print one object on standard output, nothing else")
    given = parser.parse_args(arguments)
    given.names = [name.strip() for name in given.only.split(",") if name.strip()]
    unknown = set(given.names) - set(NAMES)
    if unknown or not given.names:
        parser.error(f"--only {given.only}: there are {', '.join(NAMES)}")
    if given.rounds < 1 or given.scale <= 0:
        parser.error("--rounds and --scale are above 0")
    return given


def measure(name: str, given: argparse.Namespace) -> list[Outcome]:
    """Each benchmark has a folder and a server of its own, so that none works on the leavings of another."""
    run: Callable[[Place], list[Outcome]] = import_module(f"scripts.benches.{name}").run
    say(f"== {name}")
    with place(given.rounds, given.scale, say) as here:
        return run(here)


def main(arguments: Sequence[str]) -> int:
    given = options(arguments)
    if given.rounds < LEAST_ROUNDS or given.scale != 1:
        say("bench: a quick look; goals are for at least five rounds at scale 1")
    measured = {name: measure(name, given) for name in given.names}
    if given.json:
        print(json.dumps({name: document(outcomes) for name, outcomes in measured.items()}))
    else:
        for outcomes in measured.values():
            print("\n".join(line for outcome in outcomes for line in outcome.lines()), flush=True)
    gc.collect()  # a worker that outlives the interpreter's end may crash it (temporalio 1.35)
    return 0 if all(outcome.met for outcomes in measured.values() for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
