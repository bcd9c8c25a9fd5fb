"""When a schedule falls due: what is taken, and what is refused with the field that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smithers.errors import InputError
from smithers.temporal.schedule_times import check_cron, times, told
from smithers.worker.scheduling import run_id_of


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6,22 1,15 jan-MAR/2 Mon-fri", "0  9 * *  7", "5/10 * * * sun", "@daily"]
)
def test_what_cron_knows_is_taken(text: str) -> None:
    assert check_cron(text).split() == text.split()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("60 * * * *", "'60' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of the month"),
        ("* * * 13 *", "or jan to dec"),
        ("* * * * mondays", "'mondays' is no day of the week"),
        ("*/0 * * * *", "'*/0'"),
        ("9-5 * * * *", "backwards"),
        ("1,,2 * * * *", "''"),
        ("@often", "@hourly"),
        ("", "0 fields"),
    ],
)
def test_what_cron_does_not_know_is_refused_with_its_field(text: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        check_cron(text)

    assert why in caught.value.message


def test_times_are_a_cron_expression_in_a_zone_or_an_interval() -> None:
    rest = {"overlap": "skip", "catch_up_s": 60}

    cron, every = times("0 9 * * *", None, "Europe/Berlin", "skip", 60), times("", 90.0, "UTC", "skip", 60)

    assert (cron, told(cron)) == ({"cron": "0 9 * * *", "zone": "Europe/Berlin"} | rest, "0 9 * * * Europe/Berlin")
    assert (every, told(every)) == ({"every_s": 90.0} | rest, "every 90s")


@pytest.mark.parametrize(
    ("every_s", "zone", "overlap", "catch_up_s", "why"),
    [
        (None, "Mars/Olympus", "skip", 60, "Mars/Olympus"),
        (None, "UTC", "maybe", 60, "buffer-one"),
        (None, "UTC", "skip", 1, "10s"),
        (0.0, "UTC", "skip", 60, "1s to 366d"),
        (0.5, "UTC", "skip", 60, "1s to 366d"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    every_s: float | None, zone: str, overlap: str, catch_up_s: float, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        times("* * * * *", every_s, zone, overlap, catch_up_s)


def test_a_run_is_named_by_its_schedule_and_its_time() -> None:
    at_ms = round(datetime(2026, 3, 1, 3, 0, 7, tzinfo=UTC).timestamp() * 1000)

    assert run_id_of("nightly", at_ms) == "nightly-20260301T030007Z"
    assert run_id_of("nightly", at_ms + 5) == "nightly-20260301T030007005Z"
