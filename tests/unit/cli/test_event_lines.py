"""One event as one line."""

from __future__ import annotations

import re

import pytest

from smithers.cli.up.lines import told
from smithers.cli.views.event_lines import MOST_TEXT, event_line
from smithers.engine.chronicle import Event
from smithers.views.model import RunModel
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage


@pytest.mark.feature("cli.global.evfmt.line")
def test_a_line_has_the_time_since_the_run_began_a_symbol_the_type_and_the_fields() -> None:
    event = Event(
        7, 126_017, "NodeFailed", "review", "2", 3, {"error": {"code": "X", "message": "no"}, "timeout": None}
    )

    assert event_line(event, 1_000) == "[+02:05.017] ✗ NodeFailed review #2 attempt 3 error=no"
    assert event_line(Event(2, 1_000, "NodeStarted", "review", attempt=1), 1_000) == "[+00:00.000] → NodeStarted review"


@pytest.mark.feature("cli.global.evfmt.line")
def test_events_are_shown_line_by_line(stage: Stage) -> None:
    stage.start(release, "r1")

    lines = stage.call("events", "r1").out.splitlines()

    assert len(lines) == len(stage.call("events", "r1", "--json").records)
    assert all(re.match(r"\[\+\d\d:\d\d\.\d{3}\] \S [A-Z]\w+", line) for line in lines)


@pytest.mark.feature("cli.global.evfmt.truncate")
def test_long_fields_are_cut() -> None:
    fits, long = "x" * 240, "y" * 241
    line = event_line(Event(1, 0, "SignalReceived", fields={"name": fits, "by": long}), 0)

    assert MOST_TEXT == 240
    assert line == f"[+00:00.000] ✉ SignalReceived name={fits} by={'y' * 237}..."


@pytest.mark.feature("cli.global.progress.retry")
def test_a_retry_is_told_with_its_attempt() -> None:
    event = Event(5, 0, "NodeRetrying", "build", attempt=2)

    assert told(RunModel("r1", "release", 0), event) == "↻ build retrying (attempt 2)"
