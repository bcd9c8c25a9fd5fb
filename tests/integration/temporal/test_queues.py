"""Queues that runs share, on a real server: nobody holds a worker's slot while it waits, and everybody's turn comes."""

from __future__ import annotations

import pytest

from smithers.engine.entry import Fact, Json, OpenRun
from smithers.store.records import Append, NewRun
from smithers.worker import sweeper
from tests.integration.temporal.conftest import Place, code, until

pytestmark = pytest.mark.timeout(60)


def begin(place: Place, name: str, options: Json | None = None, **input: object) -> str:
    loaded = code("queued")
    run = f"{place.project.name}-{name}"
    given = {"folder": str(place.folder), "name": name, **input}
    place.store.create_run(NewRun(run, loaded.workflow.name, given, loaded.digest, str(loaded.source), options or {}))
    place.workers[-1].ring(run)
    return run


def spans(place: Place) -> list[tuple[str, int, int]]:
    """Which body ran from when to when, in nanoseconds."""
    lines = [line.split() for line in place.lines("spans")]
    return [(name, int(begun), int(ended)) for name, begun, ended in lines]


def at_once(place: Place) -> int:
    """How many bodies ran at the same time, at most."""
    moments = sorted([(begun, 1) for _, begun, _ in spans(place)] + [(ended, -1) for _, _, ended in spans(place)])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def waits(place: Place, run: str, node: str = "t0") -> bool:
    return any(row.node == node and row.state == "waiting-queue" for row in place.store.nodes(run))


def holds(place: Place, run: str, node: str = "t0") -> bool:
    return any(row.node == node and row.state == "running" for row in place.store.nodes(run))


def finished(place: Place, run: str, node: str) -> bool:
    return any(row.node == node and row.state == "finished" for row in place.store.nodes(run))


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_tasks_of_all_runs_run_at_once_than_the_limit(place: Place, limit: int) -> None:
    place.work("queued")
    runs = [begin(place, f"r{i}", n=3, limit=limit, seconds=0.05) for i in range(4)]
    assert {place.end_of(run) for run in runs} == {"finished"}
    assert (len(spans(place)), at_once(place)) == (12, limit)
    assert place.store.tickets("q") == []


def test_the_worker_does_other_work_while_a_task_waits_for_its_turn(place: Place) -> None:
    place.work("queued", slots=2)
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    other = begin(place, "other", beside=True)
    until(lambda: finished(place, other, "beside"))
    assert waits(place, other)
    place.go()
    assert place.end_of(other) == "finished"


def test_a_cancelled_run_gives_its_turn_back_and_one_that_waits_leaves_the_queue(place: Place) -> None:
    worker = place.work("queued")
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    waiting, last = begin(place, "waiting"), begin(place, "last")
    until(lambda: waits(place, waiting) and waits(place, last))
    for run in (waiting, holder):
        place.cancel(run)
        worker.ring(run)
        assert place.end_of(run) == "cancelled"
    assert place.end_of(last) == "finished"
    assert [name for name, *_ in spans(place)] == ["last"]


def test_another_worker_goes_on_with_those_who_hold_and_wait(place: Place) -> None:
    place.work("queued")
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    waiting = begin(place, "waiting")
    until(lambda: waits(place, waiting))
    place.workers.pop().stop(0)
    place.work("queued")
    place.go()
    assert place.end_of(holder) == place.end_of(waiting) == "finished"


def test_the_sweeper_gives_a_turn_that_nobody_has_given(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "EVERY_S", 0.1)
    worker = place.work("queued")
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    waiting = begin(place, "waiting")
    until(lambda: waits(place, waiting))
    kind = type(place.store)
    give = kind.admit
    monkeypatch.setattr(kind, "admit", lambda store, queues=(): [] if queues else give(store))
    place.go()
    assert worker.is_alive
    assert place.end_of(holder) == place.end_of(waiting) == "finished"


def test_the_more_urgent_run_goes_first(place: Place) -> None:
    place.work("queued")
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    late = begin(place, "late", {"priority": 5})
    until(lambda: waits(place, late))
    soon = begin(place, "soon", {"priority": 1})
    until(lambda: waits(place, soon))
    place.go()
    assert place.end_of(late) == place.end_of(soon) == "finished"
    assert [name for name, *_ in spans(place)] == ["holder", "soon", "late"]


def test_a_paused_run_gives_back_a_turn_that_it_has_not_taken(place: Place) -> None:
    worker = place.work("queued")
    holder = begin(place, "holder", gated=True)
    until(lambda: holds(place, holder))
    waiting, last = begin(place, "waiting"), begin(place, "last")
    until(lambda: waits(place, waiting) and waits(place, last))
    place.store.append(Append(waiting, (Fact("paused", "paused:1", {}, OpenRun(paused=False)),)))
    place.go()
    assert place.end_of(last) == "finished"
    place.store.append(Append(waiting, (Fact("unpaused", "unpaused:1", {}, OpenRun(paused=True)),)))
    worker.ring(waiting)
    assert place.end_of(waiting) == "finished"
