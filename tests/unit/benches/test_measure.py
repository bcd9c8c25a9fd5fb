"""Benchmarks judge by medians and percentiles, in turns, and say what they measured."""

from __future__ import annotations

import json

import pytest

from scripts.benches.goals import GOALS
from scripts.benches.measure import Goal, Limit, Outcome, document, percentile
from scripts.benches.rounds import interleaved

QUICK = Goal("tasks/s", (Limit("ratio", 0.9, more_is_better=True), Limit("median", 10, more_is_better=True)))
SHORT = Goal("ms", (Limit("median", 20), Limit("p95", 60)))


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (1.0, 20.0), (0.01, 1.0)],
)
def test_a_percentile_is_a_sample_that_was_taken(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(20, 0, -1)], share) == value


@pytest.mark.parametrize(
    ("ours", "other", "met"),
    [((95, 5, 500), (100, 90, 110), True), ((85, 5, 500), (100, 90, 110), False), ((9, 9, 9), (9, 9, 9), False)],
)
def test_every_limit_of_a_goal_must_be_met(ours: tuple[float, ...], other: tuple[float, ...], *, met: bool) -> None:
    assert Outcome("x", QUICK, ours, other).met is met


def test_one_slow_sample_in_twenty_is_allowed_by_the_95th_percentile() -> None:
    assert Outcome("x", SHORT, (5.0,) * 19 + (900.0,)).met
    assert not Outcome("x", SHORT, (5.0,) * 18 + (900.0,) * 2).met


def test_the_document_holds_raw_samples_and_the_verdict() -> None:
    told = json.loads(json.dumps(document([Outcome("x", QUICK, (95.0,), (100.0,))])))

    assert told == {
        "ours": [95.0],
        "other": [100.0],
        "unit": "tasks/s",
        "goal": "ratio >= 0.9 and median >= 10",
        "reached": {"ratio": 0.95, "median": 95.0},
        "met": True,
    }


def test_of_several_parts_the_worst_stands_for_all() -> None:
    good, bad = Outcome("x.a", SHORT, (5.0,)), Outcome("x.b", SHORT, (50.0,))

    told = document([good, bad])

    assert (told["ours"], told["met"], list(told["parts"])) == ([50.0], False, ["x.a", "x.b"])


def test_rounds_take_turns_and_throw_the_first_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GOALS, "x", QUICK)
    taken: list[str] = []

    def side(name: str) -> float:
        taken.append(name)
        return float(len(taken))

    outcome = interleaved("x", 2, lambda: side("ours"), lambda: side("other"), lambda _: None)

    assert taken == ["other", "ours", "ours", "other", "other", "ours"]
    assert (outcome.ours, outcome.other) == ((3.0, 6.0), (4.0, 5.0))


def test_people_see_the_verdict_medians_and_raw_samples() -> None:
    lines = Outcome("x", QUICK, (95.0, 96.0, 94.0), (100.0, 101.0, 99.0)).lines()

    assert lines[0] == "ok     x: ratio 0.95, median 95 (goal: ratio >= 0.9 and median >= 10)"
    assert "median 95 tasks/s; raw: 95 96 94" in lines[1]
