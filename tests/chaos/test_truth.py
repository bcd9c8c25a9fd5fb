"""The one who judges finds what he is to find: each thing that must not be, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smithers.engine.entry import Entry, Kind
from tests.chaos.truth import Line, extra, problems

Record = tuple[list[Entry], list[Line]]


def entry(seq: int, kind: Kind, at_ms: int, **data: object) -> Entry:
    about = {"node": "a", "iteration": "", "attempt": 1, **data}
    end = f":{about['nth']}" if "nth" in about else ""
    return Entry(seq, kind, f"{kind}:{about['node']}::a{about['attempt']}{end}", about, at_ms)


def good() -> Record:
    """A body that was begun twice."""
    log = [
        entry(1, "claim", 1000, nth=1),
        entry(2, "died", 2000, nth=1),
        entry(3, "claim", 3000, nth=2),
        entry(4, "ended", 4000, outcome="finished"),
    ]
    return log, [Line("a", "", 1, 1, 7, 1001.5), Line("a", "", 1, 2, 8, 3001.5)]


def a_line_after_the_commit(log: list[Entry], lines: list[Line]) -> None:
    lines[1] = Line("a", "", 1, 2, 8, 4010.0)


def a_line_without_a_claim(log: list[Entry], lines: list[Line]) -> None:
    lines.append(Line("a", "", 1, 3, 8, 3002.0))


def two_lines_of_one_claim(log: list[Entry], lines: list[Line]) -> None:
    lines.append(lines[1])


def a_claim_after_the_commit(log: list[Entry], lines: list[Line]) -> None:
    log.append(entry(5, "claim", 5000, nth=3))


def a_commit_without_a_body(log: list[Entry], lines: list[Line]) -> None:
    lines.clear()


def an_end_that_is_stored_twice(log: list[Entry], lines: list[Line]) -> None:
    log.append(entry(5, "ended", 5000, outcome="finished"))


def a_gap(log: list[Entry], lines: list[Line]) -> None:
    del log[1]


def time_that_goes_back(log: list[Entry], lines: list[Line]) -> None:
    log[1] = entry(2, "died", 900, nth=1)


WRONGS: dict[str, Callable[[list[Entry], list[Line]], None]] = {
    "ms after its commit": a_line_after_the_commit,
    "without a claim": a_line_without_a_claim,
    "2 times under one claim": two_lines_of_one_claim,
    "begun after its node": a_claim_after_the_commit,
    "its body never ran": a_commit_without_a_body,
    "ended 2 times": an_end_that_is_stored_twice,
    "has a gap": a_gap,
    "older than the entry before": time_that_goes_back,
}


def test_a_run_that_lost_a_worker_is_fine() -> None:
    assert problems(*good()) == []
    assert extra(good()[1]) == 1


@pytest.mark.parametrize("said", WRONGS)
def test_what_must_not_be_is_said(said: str) -> None:
    log, lines = good()
    WRONGS[said](log, lines)

    assert any(said in problem for problem in problems(log, lines))
