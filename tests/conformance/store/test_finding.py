"""Runs are found by what they are, and a request that comes twice makes one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from smithers.engine.entry import Fact, LogEnds
from smithers.errors import IdempotencyConflict, RunExists, RunNotFound
from smithers.store.interface import Store
from smithers.store.records import Append, Search
from tests.conformance.store.conftest import Clock
from tests.conformance.store.make import NOW, Maker, new_run


def ids(store: Store, **search: Any) -> list[str]:
    return [run.run_id for run in store.search(Search(**search))]


def test_a_run_keeps_its_tags_and_its_key(store: Store) -> None:
    made = store.create_run(new_run("r", tags={"team": "blue"}, idempotency_key="k"))

    assert (made.tags, made.idempotency_key) == ({"team": "blue"}, "k")
    assert store.entries("r")[0].data["tags"] == {"team": "blue"}


def test_the_same_key_twice_gives_the_same_run(store: Store) -> None:
    store.create_run(new_run("first", idempotency_key="k"))

    again = store.create_run(new_run("second", idempotency_key="k"))

    assert again.run_id == "first"
    assert ids(store) == ["first"]


@pytest.mark.parametrize("change", [{"input": {"title": "y"}}, {"workflow": "other"}])
def test_a_key_stands_for_one_request(store: Store, change: dict[str, Any]) -> None:
    store.create_run(new_run("first", idempotency_key="k"))

    with pytest.raises(IdempotencyConflict, match="'first'"):
        store.create_run(new_run("second", idempotency_key="k", **change))

    assert ids(store) == ["first"]


def test_requests_without_a_key_are_all_different(store: Store) -> None:
    for run_id in ("a", "b"):
        store.create_run(new_run(run_id))

    assert ids(store) == ["b", "a"]


def test_a_run_id_that_is_taken_is_refused_with_a_new_key_too(store: Store) -> None:
    store.create_run(new_run("r"))

    with pytest.raises(RunExists):
        store.create_run(new_run("r", idempotency_key="k"))


def test_of_requests_at_the_same_moment_one_makes_the_run(store: Store) -> None:
    def make(number: int) -> str:
        return store.create_run(new_run(f"r{number}", idempotency_key="k")).run_id

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(make, range(24)))

    assert len(made) == 1
    assert ids(store) == list(made)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"order.id": "17"}, ["a"]),
        ({"order.id": "17.0"}, ["a"]),
        ({"order.id": "18"}, ["b"]),
        ({"urgent": "true"}, ["b", "a"]),
        ({"urgent": "true", "order.id": "18"}, ["b"]),
        ({"note": "null"}, ["a"]),
        ({"note": "x" * 500}, ["b"]),
        ({"price": "2"}, ["a"]),
        ({"price": "2.5"}, ["b"]),
        ({"id": "17"}, []),
    ],
)
def test_a_run_is_found_by_a_value_in_its_input(store: Store, wanted: dict[str, str], found: list[str]) -> None:
    first = {"order": {"id": 17}, "urgent": True, "note": None, "price": 2.0, "list": ["17"]}
    store.create_run(new_run("a", input=first))
    store.create_run(new_run("b", input={"order": {"id": "18"}, "urgent": True, "note": "x" * 500, "price": 2.5}))

    assert ids(store, input=wanted) == found


def amend(store: Store, run_id: str, nth: int, **input: Any) -> None:
    fact = Fact("amended", f"amended:{nth}", {"input": input}, LogEnds(store.run(run_id).head))
    assert store.append(Append(run_id, (fact,))).outcomes == ("stored",)


def test_an_amended_run_is_found_by_the_input_it_has_now_and_by_its_tags(store: Store) -> None:
    long = "n" * 300
    store.create_run(new_run("a", input={"city": "Oslo", "old": 1, long: 2}, tags={"team": "blue"}))
    store.create_run(new_run("b", input={"city": "Oslo"}))
    amend(store, "a", 1, city="Rome", order={"id": 17})

    assert ids(store, input={"city": "Rome", "order.id": "17"}, tags={"team": "blue"}) == ["a"]
    assert ids(store, input={"city": "Oslo"}) == ["b"]
    assert ids(store, input={"old": "1"}) == ids(store, input={long: "2"}) == []

    amend(store, "a", 2, city="x" * 9000)
    assert ids(store, input={"city": "x" * 9000}) == ["a"]
    assert ids(store, input={"city": "Rome"}) == []


def test_an_amended_child_is_still_found_by_its_parent(store: Store) -> None:
    store.create_run(new_run("a", parent={"run": "top", "node": "n", "iteration": "", "depth": 1}))
    amend(store, "a", 1, city="Rome")

    assert ids(store, parent="top", input={"city": "Rome"}) == ["a"]


def test_any_text_may_be_looked_for(store: Store) -> None:
    odd = "nul \0, lone \ud800, ü"
    store.create_run(new_run("a", input={odd: odd}, tags={odd: odd}))

    assert ids(store, input={odd: odd}, tags={odd: odd}) == ["a"]


def test_a_run_is_found_by_its_tags(store: Store) -> None:
    store.create_run(new_run("a", tags={"team": "blue", "kind": "nightly"}))
    store.create_run(new_run("b", tags={"team": "blue"}))
    store.create_run(new_run("c", input={"team": "blue"}))

    assert ids(store, tags={"team": "blue"}) == ["b", "a"]
    assert ids(store, tags={"team": "blue", "kind": "nightly"}) == ["a"]
    assert ids(store, tags={"team": "red"}) == []


def test_a_run_is_found_by_its_time(store: Store, clock: Clock) -> None:
    for run_id in ("a", "b", "c"):
        store.create_run(new_run(run_id))
        clock.now += 10

    assert ids(store, since_ms=NOW + 10) == ["c", "b"]
    assert ids(store, until_ms=NOW + 10) == ["a"]
    assert ids(store, since_ms=NOW + 1, until_ms=NOW + 20) == ["b"]


def test_pages_follow_each_other_without_gaps(store: Store) -> None:
    for number in range(7):
        Maker.start(store, f"r{number}")

    pages = [ids(store, limit=3)]
    while len(pages[-1]) == 3:
        pages.append(ids(store, limit=3, before=pages[-1][-1]))

    assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"]]
    with pytest.raises(RunNotFound):
        ids(store, before="nobody")


def test_conditions_are_taken_together(store: Store) -> None:
    for run_id, workflow, status in (("a", "x", "finished"), ("b", "x", "failed"), ("c", "y", "failed")):
        store.create_run(new_run(run_id, workflow=workflow, tags={"team": "blue"}))
        Maker(store, run_id).plan(status=status)

    assert ids(store, workflow="x", statuses=["failed"], tags={"team": "blue"}) == ["b"]


def test_runs_are_found_by_the_beginning_of_their_ids(store: Store) -> None:
    for run_id in ("ab1", "ab2", "ac1", "Ab1"):
        Maker.start(store, run_id)

    assert ids(store, prefix="ab") == ["ab2", "ab1"]
