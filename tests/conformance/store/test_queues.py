"""Queues that runs share: who gets a slot, who gives it back, and that nobody is forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from smithers.engine.command import Command
from smithers.engine.entry import Fact, NewestClaim, OpenCommand, OpenRun, ended_key
from smithers.errors import WrongState
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, Appended
from tests.conformance.store.make import Maker, command, node, plan

pytestmark = pytest.mark.decision("0024")


def turn(n: int, queue: str = "q", limit: int = 1, priority: int = 3, name: str = "build") -> Command:
    ticket = {"queue": queue, "limit": limit, "priority": priority}
    return command(n, name, kind="turn", payload=ticket)


def body(n: int, name: str = "build") -> Command:
    return command(n, name, payload={"queue": "q"})


def joined(store: Store, run: str, *turns: Command) -> Maker:
    """A run that asks for turns, one command after the other from 1."""
    made = Maker.start(store, run)
    asked = turns or (turn(1),)
    made.plan(*asked, nodes=tuple(node(one.node, "waiting-queue") for one in asked))
    return made


def admitted(run: Maker) -> list[str]:
    return [entry.data["node"] for entry in run.log if entry.kind == "admitted"]


def begin(run: Maker, n: int = 2, name: str = "build") -> None:
    run.plan(body(n, name), number=run_frames(run) + 1, nodes=(node(name, "running"),))


def run_frames(run: Maker) -> int:
    return sum(entry.kind == "frame" for entry in run.log)


def end(run: Maker, n: int = 2, name: str = "build") -> Appended:
    data = {"n": n, "node": name, "iteration": "0", "attempt": 1, "outcome": "finished", "queue": "q"}
    return run.append(Fact("ended", ended_key(name, "0", 1), data, OpenCommand(n)))


def held(store: Store, queue: str = "q") -> list[str]:
    return [one.run_id for one in store.tickets(queue) if one.held]


def waiting(store: Store, queue: str = "q") -> list[str]:
    return [one.run_id for one in store.tickets(queue) if not one.held]


def paused(nth: int = 1) -> Fact:
    return Fact("paused", f"paused:{nth}", {}, OpenRun(paused=False))


def unpaused(nth: int = 1) -> Fact:
    return Fact("unpaused", f"unpaused:{nth}", {}, OpenRun(paused=True))


def test_the_first_gets_the_slot_and_the_next_one_gets_it_after_that(store: Store) -> None:
    told: list[str] = []
    store.on_turn = told.append
    first, second, third = (joined(store, name) for name in ("a", "b", "c"))
    assert (held(store), waiting(store), told) == (["a"], ["b", "c"], ["a"])
    assert (admitted(first), admitted(second), first.open) == (["build"], [], [])

    begin(first)
    end(first)

    assert (held(store), waiting(store), told) == (["b"], ["c"], ["a", "b"])
    assert (admitted(second), admitted(third)) == (["build"], [])
    entry = second.log[-1]
    assert (entry.key, entry.data) == (
        "admitted:1",
        {"n": 1, "node": "build", "iteration": "0", "attempt": 1, "queue": "q"},
    )


def test_as_many_as_the_limit_have_one_and_the_lowest_limit_counts(store: Store) -> None:
    for name in "abc":
        joined(store, name, turn(1, limit=2))
    assert (held(store), waiting(store)) == (["a", "b"], ["c"])
    joined(store, "d", turn(1, limit=1))
    run = Maker(store, "a")
    begin(run)
    end(run)
    assert (held(store), waiting(store)) == (["b"], ["c", "d"])


def test_queues_are_apart_and_one_run_may_stand_in_several(store: Store) -> None:
    run = joined(store, "a", turn(1, "q", name="x"), turn(2, "p", name="y"), turn(3, "q", name="z"))
    assert sorted(admitted(run)) == ["x", "y"]
    assert [(one.node, one.held) for one in store.tickets("q")] == [("x", True), ("z", False)]


def test_the_more_urgent_goes_first_and_of_equals_who_came_first(store: Store) -> None:
    joined(store, "a")
    for name, priority in (("b", 3), ("c", 5), ("d", 1), ("e", 3)):
        joined(store, name, turn(1, priority=priority))
    order = ["a"]
    while waiting(store):
        last = Maker(store, order[-1])
        begin(last)
        end(last)
        order += held(store)
    assert order == ["a", "d", "b", "e", "c"]


def give_up(run: Maker, how: str) -> None:
    """Ends what holds the slot, some other way than by finishing."""
    match how:
        case "settled":
            begin(run)
            run.append(Fact("settled", "settled:2", {"n": 2}, NewestClaim(2, "build", "0", 1, 0)))
        case "left":
            frame = plan(run.row.planned, run.row.head, 2, nodes=(node("build", "cancelled"),))
            frame.frame.data["left"] = ["build:0"]
            assert run.append(plan=frame).planned
        case "over":
            run.plan(command(2, "", kind="fail"), number=2, status="failed")
        case "reset":
            data = {"node": "build", "iteration": "0", "reset": ["build:0"], "closed": [], "absent": {}}
            run.append(Fact("retried", "retried:1", data))
        case "paused":
            run.append(paused())
        case _:
            run.append(Fact("render_failed", "render_failed:1", {}))


@pytest.mark.parametrize("how", ["settled", "left", "over", "reset", "paused", "render_failed"])
def test_a_slot_comes_back_whatever_ends_its_holder(store: Store, how: str) -> None:
    holder, next_one = joined(store, "a"), joined(store, "b")
    give_up(holder, how)
    assert (held(store), admitted(next_one)) == (["b"], ["build"])


def test_a_deleted_run_leaves_nothing(store: Store) -> None:
    run = joined(store, "a")
    with pytest.raises(WrongState):
        store.delete_run("a")
    run.plan(number=2, status="cancelled")
    store.delete_run("a")
    assert store.tickets("q") == []


def test_a_pause_keeps_the_slot_of_a_task_that_has_begun(store: Store) -> None:
    holder = joined(store, "a")
    joined(store, "b")
    begin(holder)
    holder.append(paused())
    assert (held(store), waiting(store)) == (["a"], ["b"])
    end(holder)
    assert held(store) == ["b"]


def test_a_paused_run_is_passed_over_and_keeps_its_place(store: Store) -> None:
    holder = joined(store, "a")
    second = joined(store, "b")
    joined(store, "c")
    second.append(paused())
    begin(holder)
    end(holder)
    assert (held(store), waiting(store)) == (["c"], ["b"])
    third = Maker(store, "c")
    begin(third)
    end(third)
    assert held(store) == []

    second.append(unpaused())

    assert held(store) == ["b"]


def test_a_plan_for_a_task_whose_turn_was_taken_back_is_refused(store: Store) -> None:
    run = joined(store, "a")
    stale = plan(run.row.planned, run.row.head, 2, (body(2),), nodes=(node("build", "running"),))
    run.append(paused())
    run.append(unpaused())
    assert not run.append(plan=stale).planned
    assert run.open == []


def test_after_a_crash_in_between_whoever_looks_gives_the_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(store), "admit", lambda *_: [])
    holder = joined(store, "a")
    assert held(store) == []
    monkeypatch.undo()
    assert (store.admit(), store.admit()) == (["a"], [])
    assert admitted(holder) == ["build"]


def test_one_that_comes_late_is_not_admitted_for_another_attempt(store: Store) -> None:
    holder, other = joined(store, "a"), joined(store, "b")
    begin(holder)
    end(holder)
    assert end(holder).outcomes == ("duplicate",)
    assert (held(store), admitted(other)) == (["b"], ["build"])


def test_many_at_once_never_go_over_the_limit_and_all_get_their_turn(url: str, store: Store) -> None:
    others = [store if url == "sqlite://" else open_store(url, create=False) for _ in range(3)]
    most: list[int] = []
    errors: list[BaseException] = []

    def live(mine: Store, name: str) -> None:
        try:
            run = joined(mine, name, turn(1, limit=2))
            while not admitted(run):
                mine.admit()
            most.append(len(held(mine)))
            begin(run)
            end(run)
        except Exception as error:  # noqa: BLE001  the test shows it
            errors.append(error)

    def several(mine: Store, of: int) -> None:
        for i in range(8):
            live(mine, f"run-{of}-{i}")

    threads = [threading.Thread(target=several, args=(mine, of)) for of, mine in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for mine in {id(one): one for one in others if one is not store}.values():
        mine.close()

    assert errors == []
    assert (len(most), max(most) <= 2) == (24, True)
    assert store.tickets("q") == []


def test_tickets_say_who_waits_and_since_when(store: Store, clock: Any) -> None:
    joined(store, "a")
    clock.now += 5
    joined(store, "b", turn(1, limit=2, priority=4))
    tickets = [(one.run_id, one.node, one.held, one.priority, one.limit, one.since_ms) for one in store.tickets("q")]
    assert tickets == [("a", "build", True, 3, 1, clock.now - 5), ("b", "build", False, 4, 2, clock.now)]


def test_an_append_that_changes_no_queue_says_so(store: Store, run: Maker) -> None:
    assert run.append(Fact("cancel", "cancel", {}, OpenRun())).queues == ()
    assert store.append(Append("build-1", (Fact("signal", "s", {}),))).queues == ()
