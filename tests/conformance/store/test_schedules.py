"""Schedules: what is asked for, and how it went last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smithers.errors import ScheduleNotFound
from smithers.store.interface import Store
from smithers.store.records import Schedule
from tests.conformance.store.make import NOW

NIGHTLY = Schedule("nightly", {"cron": "0 3 * * *", "zone": "UTC"}, {"file": "/flow.py", "input": {"a": 1}}, note="n")


@pytest.mark.feature("inbox.cron.upsert", "inbox.cron.list")
def test_a_schedule_is_made_and_changed_under_its_name(store: Store) -> None:
    made = store.write_schedule(NIGHTLY)
    store.note_start("nightly", 5, "r", None)

    changed = store.write_schedule(replace(NIGHTLY, paused=True))

    assert made == replace(NIGHTLY, created_ms=NOW)
    assert changed == replace(made, paused=True, revision=2, last_ms=5, last_run="r")
    assert store.schedules() == [changed]


@pytest.mark.feature("inbox.cron.track", "inbox.cron.error")
def test_how_the_last_start_went_is_kept_in_the_order_of_the_clock(store: Store) -> None:
    store.write_schedule(NIGHTLY)
    error = {"code": "WORKFLOW_FILE", "message": "gone", "data": {}}

    store.note_start("nightly", 20, "", error)
    assert (store.schedule("nightly").last_run, store.schedule("nightly").error) == ("", error)
    store.note_start("nightly", 10, "late", None)
    assert store.schedule("nightly").error == error
    store.note_start("nightly", 30, "r", None)
    assert (store.schedule("nightly").last_run, store.schedule("nightly").error) == ("r", None)


@pytest.mark.feature("inbox.cron.delete")
def test_a_schedule_is_deleted_once(store: Store) -> None:
    store.write_schedule(NIGHTLY)

    store.delete_schedule("nightly")

    assert store.schedules() == []
    with pytest.raises(ScheduleNotFound):
        store.delete_schedule("nightly")
    store.note_start("nightly", 1, "r", None)


def test_an_unknown_schedule_is_refused_with_the_nearest(store: Store) -> None:
    store.write_schedule(NIGHTLY)

    with pytest.raises(ScheduleNotFound, match="'nightly'"):
        store.schedule("nightli")
