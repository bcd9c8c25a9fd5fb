"""`scripts/chaos`: does harm to real processes, at full size, and prints what came of it."""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from tests.chaos.away import away, locked, stopped
from tests.chaos.crowding import crowd
from tests.chaos.killing import Killer
from tests.chaos.leaving import exits
from tests.chaos.place import Place, early_continue, place
from tests.chaos.serving import Who
from tests.chaos.serving import kills as server_kills
from tests.chaos.stopping import stopped_at
from tests.chaos.watching import Watched
from tests.servers import postgres

ROOT: Final = Path(__file__).resolve().parents[2]
Given = argparse.Namespace
Chaos = Callable[[Given], list[str]]


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


def kills(given: Given) -> list[str]:
    """kill -9 of workers and their guards at random moments, until all runs have finished."""
    with somewhere() as here:
        here.env["SMITHERS_TEMPORAL_CLI"] = early_continue(here.root, given.events)
        work = {"chain": 60, "fan": 8, "flaky": 1, "asked": True, "pause": "300ms", "alone": 2, "each_ms": 10}
        killer = Killer(here, random.Random(given.seed), {"rounds": 2, **work}, say)  # noqa: S311  a seed repeats it
        report = killer.until(given.times or 200)
    print(report.summary())
    return report.problems


def servers(given: Given) -> list[str]:
    """kill -9 of the local Temporal server and of its supervisor, in turns."""
    whom: list[Who] = ["server_pid" if number % 2 else "pid" for number in range(given.times or 20)]
    with somewhere() as here:
        found = server_kills(here, whom, say)
    print(f"{len(whom)} kills of server and supervisor; {len(found)} problems")
    return found


def outage(given: Given) -> list[str]:
    """The store is away in the middle of a run: a SQLite file that is locked, then a PostgreSQL that has crashed."""
    seconds = given.seconds or 300.0
    with somewhere() as here:
        found = away(here, partial(locked, here), seconds)
    with postgres.running() as cluster, somewhere(SMITHERS_DATABASE_URL=cluster.database()) as here:
        found += away(here, partial(stopped, cluster), seconds)
    print(f"two outages of {seconds:g} s; {len(found)} problems")
    return found


def frozen(given: Given) -> list[str]:
    """A worker is stopped (SIGSTOP) while others take over: on this machine, and as if on another one."""
    seconds = given.seconds or 90.0

    def wait(_: Watched) -> None:
        threading.Event().wait(seconds)

    with somewhere() as here:
        found = stopped_at(here, "r0-chain5", wait, zombies=True)
    with postgres.running() as cluster, somewhere(SMITHERS_DATABASE_URL=cluster.database()) as here:
        found += stopped_at(here, "r0-fan3", wait, elsewhere=True, zombies=True)
    print(f"stopped for {seconds:g} s, twice; {len(found)} problems")
    return found


def leaves(given: Given) -> list[str]:
    """`smithers up` to its end, again and again: every exit status must be right."""
    with somewhere() as here:
        found = exits(here, given.times or 200, say)
    print(found.summary())
    return found.problems


def one_file(given: Given) -> list[str]:
    """A burst, tasks side by side, another writer and a follower on one SQLite file."""
    with somewhere() as here:
        found = crowd(here, given.seconds or 60.0)
    print(found.summary())
    return found.problems


CHAOSES: Final[dict[str, Chaos]] = {
    "kills": kills,
    "servers": servers,
    "outage": outage,
    "frozen": frozen,
    "exits": leaves,
    "one-file": one_file,
}


def options(arguments: Sequence[str]) -> Given:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    kinds = parser.add_subparsers(dest="chaos", required=True)
    for name, chaos in CHAOSES.items():
        kind = kinds.add_parser(name, help=chaos.__doc__, description=chaos.__doc__)
        if name in ("kills", "servers", "exits"):
            kind.add_argument(f"--{'times' if name == 'exits' else 'kills'}", type=int, dest="times", help="how many")
        else:
            kind.add_argument("--seconds", type=float, help="how long")
        if name == "kills":
            kind.add_argument("--events", type=int, default=60, help="after which a driver continues as new")
            kind.add_argument("--seed", type=int, default=1)
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
