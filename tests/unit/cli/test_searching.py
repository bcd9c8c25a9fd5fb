"""`smithers ps` finds runs, and says what is wrong with a search."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from smithers.cli.searching import parse_moment
from smithers.errors import InputError
from tests.unit.cli.flows import nap, release
from tests.unit.cli.stage import Stage


@pytest.fixture
def found(stage: Stage) -> Stage:
    """Three runs, the oldest first."""
    stage.start(release, "first", {"team": "blue"}, order={"id": 17}, note="a=b")
    stage.start(release, "second", {"team": "red"}, order={"id": 18})
    stage.start(nap, "third", {"team": "blue", "kind": "nightly"}, order={"id": 17})
    return stage


def ids(stage: Stage, *words: str) -> list[str]:
    return [run["runId"] for run in stage.call("ps", *words, "--json").json["runs"]]


@pytest.mark.feature("cli.ps.status")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--tag", "team=blue"], ["third", "first"]),
        (["--tag", "team=blue", "--tag", "kind=nightly"], ["third"]),
        (["--where", "input.order.id=17"], ["third", "first"]),
        (["--where", "input.note=a=b"], ["first"]),
        (["--where", "input.order.id=17", "--workflow", "release"], ["first"]),
        (["--workflow", "nap"], ["third"]),
        (["--status", "waiting-timer", "--status", "running"], ["third", "second", "first"]),
        (["--since", "1h"], ["third", "second", "first"]),
        (["--until", "1h"], []),
        (["--since", "2000-01-01", "--until", "2001-01-01T09:30+02:00"], []),
        (["--before", "second"], ["first"]),
    ],
)
def test_ps_finds_runs(found: Stage, words: list[str], wanted: list[str]) -> None:
    assert ids(found, *words) == wanted


@pytest.mark.feature("cli.ps.limit")
def test_pages_of_ps_follow_each_other(found: Stage) -> None:
    first: dict[str, Any] = found.call("ps", "--limit", "2", "--json").json
    second: dict[str, Any] = found.call("ps", "--limit", "2", "--before", first["next"], "--json").json

    assert [run["runId"] for page in (first, second) for run in page["runs"]] == ["third", "second", "first"]
    assert (first["more"], second["more"], second["next"]) == (True, False, None)
    assert "--before second" in found.call("ps", "--limit", "2").err


def test_ps_shows_tags_where_there_are_any(found: Stage) -> None:
    assert "team=blue kind=nightly" in found.call("ps").out
    assert found.call("inspect", "third", "--json").json["tags"] == {"team": "blue", "kind": "nightly"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--where", "order.id=17"], "input.FIELD=VALUE"),
        (["--where", "input.order.id"], "NAME=VALUE"),
        (["--tag", "team"], "team=blue"),
        (["--tag", "team=a", "--tag", "team=b"], "twice"),
        (["--since", "yesterday"], "2026-03-01"),
        (["--before", "nobody"], "'nobody'"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(found: Stage, words: list[str], told: str) -> None:
    answer = found.call("ps", *words)

    assert answer.status == 4
    assert told in answer.err


def test_times_are_ago_or_moments() -> None:
    assert parse_moment("2026-03-01T09:30+02:00", "--since") == 1772350200000
    local = datetime(2026, 3, 1).astimezone().timestamp() * 1000
    assert parse_moment("2026-03-01", "--since") == local
    ago = parse_moment("2h", "--since")
    assert ago is not None
    assert abs(time.time() * 1000 - 7_200_000 - ago) < 60_000
    with pytest.raises(InputError):
        parse_moment("soon", "--since")


def test_a_run_is_named_by_the_beginning_of_its_id(found: Stage) -> None:
    assert found.call("inspect", "sec", "--json").json["runId"] == "second"
