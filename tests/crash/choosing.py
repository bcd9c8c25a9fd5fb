"""Which crashes are tried: each scenario at each point that it passes, or a choice of them that a seed repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

from smithers.store import faults
from tests.crash.cases import Case, Outcome
from tests.crash.kinds import STORED_IN

AT_LEAST = 2
"""How often each scenario is in a choice."""
COMMITS = 8
"""In how many scenarios a commit on another engine is crashed."""
RECOVERING = {
    "takeover.before": "body.before",
    "takeover.after": "body.before",
    "fact.died.before": "body.after",
    "fact.died.after": "body.after",
}
"""Points that are passed only by who comes after a crash, and the crash that leads there."""
ALONE = "isolated"
"""The scenario in which bodies run in processes of their own: the death of their worker is no death of theirs."""
GIVEN_UP = "settled"
"""The scenario in which Temporal gives a body up: whoever takes over settles that, and looks for no death."""
SIDES = ("before", "after")
Tallies = Mapping[str, Outcome]
"""By scenario: what came of it without a crash."""


def every(undisturbed: Tallies, *, each_time: bool = False) -> Iterator[Case]:
    """Each scenario at each of its points: the first time it is passed, or every time."""
    for scenario, outcome in undisturbed.items():
        for point, count in sorted(outcome.tally.items()):
            for nth in range(1, count + 1 if each_time else 2):
                yield Case(scenario, (f"{point}:{nth}",))
        yield from recoveries(scenario, outcome)


def recoveries(scenario: str, outcome: Outcome) -> Iterator[Case]:
    """A crash, and another one while the next process takes over."""
    for point, first in RECOVERING.items():
        if first in outcome.tally and (scenario, first) != (GIVEN_UP, "body.after"):
            yield Case(scenario, (first, point.replace("died", "released") if scenario == ALONE else point))


def choice(undisturbed: Tallies, seed: int) -> list[Case]:
    """Each point at least once, each scenario at least twice."""
    dice = Random(seed)
    chosen: list[Case] = []
    used: Counter[str] = Counter()

    def choose(scenario: str, *crashes: str) -> None:
        chosen.append(Case(scenario, crashes))
        used[scenario] += 1

    def rarest(scenarios: list[str]) -> str:
        """Of those that were chosen least often."""
        least = min(used[scenario] for scenario in scenarios)
        return dice.choice([scenario for scenario in scenarios if used[scenario] == least])

    by_point = {point: passing(undisturbed, point) for point in faults.POINTS}
    for point in sorted(filter(by_point.get, by_point), key=lambda point: (len(by_point[point]), point)):
        scenario = rarest(by_point[point])
        choose(scenario, some_time(dice, point, undisturbed[scenario]))
    for point, first in RECOVERING.items():
        choose(rarest([name for name in passing(undisturbed, first) if name not in (ALONE, GIVEN_UP)]), first, point)
    for scenario, outcome in undisturbed.items():
        while used[scenario] < AT_LEAST:
            choose(scenario, some_time(dice, dice.choice(sorted(outcome.tally)), outcome))
    return chosen


def passing(undisturbed: Tallies, point: str) -> list[str]:
    """A driver may continue as new at other times than expected, but not so that one can rely on it."""
    only = ("continued",) if point.startswith("continue.") else tuple(undisturbed)
    return [scenario for scenario in only if scenario in undisturbed and point in undisturbed[scenario].tally]


def some_time(dice: Random, point: str, outcome: Outcome) -> str:
    """In the first half of a run: how often a point is passed in all may depend on times."""
    return f"{point}:{dice.randint(1, max(1, outcome.tally[point] // 2))}"


def of_store(undisturbed: Tallies, seed: int) -> list[Case]:
    """For another engine: each kind of fact once, in the scenario named for it, and some scenarios at a commit."""
    dice = Random(seed)
    chosen: list[Case] = []
    for kind, scenario in STORED_IN.items():
        point = f"fact.{kind}.{dice.choice(SIDES)}"
        chosen.append(Case(scenario, (some_time(dice, point, undisturbed[scenario]),)))
    for number, scenario in enumerate(dice.sample(sorted(undisturbed), COMMITS)):
        point = f"commit.{SIDES[number % 2]}"
        chosen.append(Case(scenario, (some_time(dice, point, undisturbed[scenario]),)))
    return [*chosen, *(Case("sequence", (f"schema.{side}",)) for side in SIDES)]


def unreached(undisturbed: Tallies) -> list[str]:
    """Points that nothing leads to: those of facts are passed in the scenario that is named for them."""
    reached = {point for outcome in undisturbed.values() for point in outcome.tally} | set(RECOVERING)
    named = {f"fact.{kind}.{side}": undisturbed[name] for kind, name in STORED_IN.items() for side in SIDES}
    missed = {point for point, outcome in named.items() if point not in outcome.tally}
    return [point for point in faults.POINTS if point not in reached or point in missed]
