"""Explores the protocol from the command line.

python -m tests.model.explore                                  the scenarios that the tests explore
python -m tests.model.explore --size big                       many more, for hours
python -m tests.model.explore --flow burst --faults zombie,crash
python -m tests.model.explore --flow burst --faults zombie --drop answers_since,sweep_unclaimed
python -m tests.model.explore --walks 100000 --seed 7
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

from tests.model import walk
from tests.model.graph import explore, without
from tests.model.records import Rules
from tests.model.scenarios import FLOWS, SIZES, Scenario


def main() -> int:
    asked = arguments()
    rules = without(*filter(None, asked.drop.split(",")))
    if asked.walks:
        return stroll(range(asked.seed, asked.seed + asked.walks), rules)
    scenarios: Iterable[Scenario] = SIZES[asked.size]
    if asked.flow:
        scenarios = [Scenario(asked.flow, tuple(filter(None, asked.faults.split(","))))]
    return sum([show(scenario, rules, asked.limit) for scenario in scenarios])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model.explore")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--flow", choices=sorted(FLOWS), default="")
    parser.add_argument("--faults", default="", help="for --flow: names, repeated for more than one")
    parser.add_argument("--drop", default="", help=f"rules to switch off: {', '.join(Rules._fields)}")
    parser.add_argument("--limit", type=int, default=20_000_000, help="states")
    parser.add_argument("--walks", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def show(scenario: Scenario, rules: Rules, limit: int) -> bool:
    result = explore(*scenario.begin(rules), scenario.relies_on, limit)
    print(f"{scenario}: {result}", flush=True)
    return bool(result.problem)


def stroll(seeds: range, rules: Rules) -> int:
    begun, taken = time.process_time(), 0
    for seed in seeds:
        found = walk.go(walk.begin_walk(seed, rules))
        taken += len(found.labels)
        if found.problem:
            print(walk.shrink(found))
            return 1
    print(f"{len(seeds):,} walks, {taken:,} moves, {time.process_time() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
