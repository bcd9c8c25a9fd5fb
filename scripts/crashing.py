"""`scripts/crashes`: one run of every component, with a crash at every point."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.crash import choosing
from tests.crash.cases import SCENARIOS, Case, Outcome, Site, differences
from tests.crash.running import JOBS, outcomes, server
from tests.servers.postgres import running

ROOT: Final = Path(__file__).resolve().parents[1]


def say(text: str) -> None:
    """Progress. Standard output is for results."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def undisturbed_by(names: Sequence[str], site: Site, jobs: int) -> dict[str, Outcome]:
    say(f"{len(names)} scenarios, undisturbed")
    found = outcomes([Case(name) for name in names], site, jobs=jobs)
    return {outcome.case.scenario: outcome for outcome in found}


@contextmanager
def site_of(given: argparse.Namespace) -> Generator[Site]:
    with ExitStack() as stack:
        site = Site(stack.enter_context(server()), above())
        if given.postgres:
            site = replace(site, database=stack.enter_context(running()).database)
        yield site


def above() -> Path:
    """Below the checkout, not in a temporary folder: those may be in memory, and then a sync costs nothing."""
    folder = ROOT / "build" / "crash"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cases_of(given: argparse.Namespace, undisturbed: dict[str, Outcome]) -> list[Case]:
    if given.point:
        return [Case(name, tuple(given.point)) for name in undisturbed]
    if given.choice:
        return choosing.choice(undisturbed, given.seed)
    cases = list(choosing.every(undisturbed, each_time=given.each_time))
    Random(given.seed).shuffle(cases)  # noqa: S311  a seed repeats it
    return cases[: given.count] if given.count else cases


def told(undisturbed: Outcome, crashed: Outcome) -> dict[str, Any]:
    case = crashed.case
    return {"scenario": case.scenario, "crashes": case.crashes, "problems": differences(undisturbed, crashed)}


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/crashes", description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--point", action="append", metavar="POINT[:NTH]", help="crash here; again: the next process")
    parser.add_argument("--choice", action="store_true", help="the choice that the tests make, by the seed")
    parser.add_argument("--each-time", action="store_true", help="not only the first time that a point is passed")
    parser.add_argument("--count", type=int, default=0, help="at most so many")
    parser.add_argument("--seed", type=int, default=1, help="of the order, and of the choice")
    parser.add_argument("--postgres", action="store_true", help="with the store in PostgreSQL; its server stays")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--json", action="store_true", help="one object for each case that was tried")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    given, begun = options(words), time.monotonic()
    bad = 0
    with site_of(given) as site:
        undisturbed = undisturbed_by(given.only or list(SCENARIOS), site, given.jobs)
        broken = [f"{outcome.case}: {problem}" for outcome in undisturbed.values() for problem in outcome.found]
        if broken:
            print("\n".join(broken))
            return 1
        cases = cases_of(given, undisturbed)
        for number, crashed in enumerate(outcomes(cases, site, jobs=given.jobs), 1):
            found = told(undisturbed[crashed.case.scenario], crashed)
            bad += bool(found["problems"])
            if given.json:
                print(json.dumps(found), flush=True)
            elif found["problems"]:
                print(
                    "\n".join([f"! {crashed.case}", *(f"    {problem}" for problem in found["problems"])]), flush=True
                )
            if number % 20 == 0:
                say(f"{number} of {len(cases)}, {bad} in which the crash shows, {time.monotonic() - begun:.0f} s")
    say(f"{len(cases)} crashes in {time.monotonic() - begun:.0f} s: {bad} show")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
