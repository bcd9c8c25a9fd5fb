"""Rounds: ours and the other in turns, so that a slow minute of the machine hits both."""

from __future__ import annotations

from collections.abc import Callable

from scripts.benches.goals import GOALS
from scripts.benches.measure import Outcome

Say = Callable[[str], None]
Sample = Callable[[], float]


def interleaved(name: str, rounds: int, ours: Sample, other: Sample, say: Say) -> Outcome:
    """Takes one sample of each per round; who is first changes, and a round before the first is thrown away."""
    sides = {"ours": ours, "other": other}
    taken: dict[str, list[float]] = {"ours": [], "other": []}
    for number in range(rounds + 1):
        order = ("ours", "other") if number % 2 else ("other", "ours")
        sampled = {side: sides[side]() for side in order}
        say(
            f"{name} {f'round {number}' if number else 'warm-up'}: "
            + ", ".join(f"{s} {v:.4g}" for s, v in sampled.items())
        )
        for side, value in sampled.items():
            taken[side] += [value] if number else []
    return Outcome(name, GOALS[name], tuple(taken["ours"]), tuple(taken["other"]))


def alone(name: str, rounds: int, ours: Sample, say: Say) -> Outcome:
    """Samples of something that stands for itself; nothing is thrown away."""
    taken: list[float] = []
    for number in range(1, rounds + 1):
        taken.append(ours())
        say(f"{name} round {number}: {taken[-1]:.4g}")
    return Outcome(name, GOALS[name], tuple(taken))
