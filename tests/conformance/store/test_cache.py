"""Outputs that other runs may take: kept with their fact, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from smithers.engine.entry import Json
from smithers.store.interface import Store
from smithers.store.records import Append
from smithers.store.texts import INLINE_BYTES
from tests.conformance.store.make import NOW, command, ended, new_run, plan

pytestmark = pytest.mark.decision("0012")


def began(store: Store, run: str, nodes: tuple[str, ...] = ("build",), **changes: Any) -> None:
    store.create_run(new_run(run, **changes))
    commands = tuple(command(n, node) for n, node in enumerate(nodes, 1))
    assert store.append(Append(run, plan=plan(0, 1, commands=commands))).planned


def finish(store: Store, run: str, n: int = 1, node: str = "build", **data: Any) -> str:
    fact = ended(n, node, **data)
    fact.data["node"] = node
    return store.append(Append(run, (fact,))).outcomes[0]


def cache(key: str = "k", **more: Any) -> Json:
    return {"key": key, "version": "v1", **more}


@pytest.mark.feature("cache.store", "data.t.cache", "cache.crossrun")
def test_an_output_is_kept_under_its_key_and_found_from_any_run(store: Store) -> None:
    began(store, "r1")
    assert store.cached("k") is None

    finish(store, "r1", output={"a": 1}, cache=cache())

    found = store.cached("k")
    assert found is not None
    assert (found.run_id, found.workflow, found.node, found.version) == ("r1", "ship", "build", "v1")
    assert (found.output, found.stored_ms, found.hits) == ({"a": 1}, NOW, 0)


@pytest.mark.feature("cache.success.only")
def test_only_outputs_are_kept(store: Store) -> None:
    began(store, "r1")

    finish(store, "r1", outcome="failed", error={"code": "X"}, cache=cache())

    assert store.cached("k") is None


def test_a_fact_that_is_not_stored_keeps_nothing(store: Store) -> None:
    began(store, "r1")
    finish(store, "r1", output={"a": 1})

    assert finish(store, "r1", output={"a": 2}, cache=cache()) == "duplicate"

    assert store.cached("k") is None


def test_a_large_output_is_kept_once_and_comes_back_whole(store: Store) -> None:
    began(store, "r1")
    large = {"text": "x" * (2 * INLINE_BYTES)}

    finish(store, "r1", output=large, cache=cache())

    found = store.cached("k")
    assert found is not None
    assert found.output == large


@pytest.mark.feature("cache.store")
def test_a_fresh_output_takes_the_place_of_an_older_one_and_what_is_taken_is_counted(store: Store) -> None:
    for run in ("r1", "r2", "r3"):
        began(store, run)
    finish(store, "r1", output={"a": 1}, cache=cache())
    finish(store, "r2", output={"a": 1}, cache=cache(hit={"run": "r1", "at_ms": NOW}))
    [kept] = store.cached_outputs()
    assert (kept.run_id, kept.hits, kept.used_ms, kept.output) == ("r1", 1, NOW, None)

    finish(store, "r3", output={"a": 3}, cache=cache(missed="it does not fit"))

    [kept] = store.cached_outputs()
    assert (kept.run_id, kept.hits, kept.used_ms) == ("r3", 0, 0)


@pytest.mark.feature("data.t.cache")
def test_what_is_kept_is_listed_and_forgotten_by_workflow_and_node(store: Store) -> None:
    began(store, "r1", ("build", "test"))
    finish(store, "r1", 1, "build", output=1, cache=cache("a"))
    finish(store, "r1", 2, "test", output=1, cache=cache("b"))
    began(store, "r2", workflow="other")
    finish(store, "r2", output=1, cache=cache("c"))

    assert [one.key for one in store.cached_outputs(workflow="ship")] == ["a", "b"]
    assert [one.key for one in store.cached_outputs(node="build")] == ["a", "c"]
    assert store.clear_cache(workflow="ship", node="build") == 1
    assert [one.key for one in store.cached_outputs()] == ["b", "c"]
    assert store.clear_cache() == 2
    assert store.cached_outputs() == []
    assert store.entries("r1")
