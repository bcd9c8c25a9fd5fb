"""`scripts/bench` keeps standard output for results, and its exit status says whether the goals are met."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from scripts.benches import __main__ as bench
from scripts.benches.measure import Goal, Limit, Outcome
from scripts.benches.place import Place

GOAL = Goal("ms", (Limit("median", 20),))


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the benchmark `hello` measures instead of really running."""
    values = [10.0]

    def run(place: Place) -> list[Outcome]:
        place.say("working")
        return [Outcome("hello", GOAL, tuple(values))]

    monkeypatch.setattr(bench, "import_module", lambda _: SimpleNamespace(run=run))
    return values


def test_json_is_all_there_is_on_standard_output(sampled: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    status = bench.main(["--only", "hello", "--json"])

    printed = capsys.readouterr()
    assert json.loads(printed.out)["hello"]["ours"] == [10.0]
    assert "working" in printed.err
    assert status == 0


def test_a_missed_goal_is_an_exit_status(sampled: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    sampled[0] = 30.0

    assert bench.main(["--only", "hello"]) == 1
    assert capsys.readouterr().out.startswith("MISSED hello: median 30")


@pytest.mark.parametrize("words", [["--only", "helo"], ["--only", ""], ["--rounds", "0"], ["--scale", "0"]])
def test_options_that_make_no_sense_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        bench.main(words)

    assert error.value.code == 2
