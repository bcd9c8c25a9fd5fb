"""A step looks into the cache before a body begins."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from smithers import CachePolicy, Child, Context, Sequence, Task, Workflow
from smithers.engine.entry import Json
from tests.unit.temporal.conftest import Yard, die_in_body

pytestmark = pytest.mark.decision("0012")

LIMIT: list[int] = [100]
LARGE = "x" * 600_000


class Out(BaseModel):
    n: int
    text: str = ""

    @field_validator("n")
    @classmethod
    def is_small(cls, n: int) -> int:
        if n > LIMIT[0]:
            raise ValueError(f"is more than {LIMIT[0]}")
        return n


@pytest.fixture(autouse=True)
def a_limit() -> None:
    LIMIT[0] = 100


def wanted(input: Json) -> Any:
    return input.get("id")


def flow(*results: int | Exception, version: str = "", text: str = "", retries: int = 0, **props: Any) -> Workflow[Any]:
    """A cached task, and one that takes its output."""
    script = iter(results)

    def work() -> Out:
        result = next(script)
        if isinstance(result, Exception):
            raise result
        return Out(n=result, text=text)

    def double(a: Out) -> Out:
        return Out(n=2 * a.n)

    def tree(ctx: Context[Any]) -> Child:
        policy = CachePolicy(by=wanted, version=version)
        return Sequence[
            Task("a", output=Out, cache=policy, retries=retries, **props)[work],
            Task("b", output=Out, deps={"a": Out})[double],
        ]

    return Workflow("flow", tree, None)


def through(yard: Yard, run: str, workflow: Workflow[Any], **input: Any) -> dict[str, Json]:
    """Runs to the end; returns what ended the nodes."""
    yard.start(workflow, run, **input)
    answer = yard.fetch(run)
    while not answer.done:
        answer = yard.step(answer.commands[0].n, run)
    return yard.ended(run)


@pytest.mark.feature("cache.lookup.before", "cache.downstream", "task.cache", "exec.persist.parts")
def test_a_task_with_a_known_key_takes_the_output_and_what_follows_sees_a_finished_task(yard: Yard) -> None:
    first = through(yard, "r1", flow(3), id="t1")
    second = through(yard, "r2", flow(), id="t1")
    third = through(yard, "r3", flow(5), id="t2")

    assert yard.bodies.names == ["a", "b", "b", "a", "b"]
    assert [one["a"]["output"]["n"] for one in (first, second, third)] == [3, 3, 5]
    assert [one["b"]["output"]["n"] for one in (first, second, third)] == [6, 6, 10]
    assert second["a"]["cache"]["hit"]["run"] == "r1"
    assert "claim" in yard.kinds("r1")
    assert [entry.data["node"] for entry in yard.entries("claim", run="r2")] == ["b"]
    assert yard.store.node("r2", "a").detail == {"output": "Out", "cached": {"run": "r1"}}
    assert (yard.store.node("r2", "a").state, yard.status("r2")) == ("finished", "finished")


def test_in_a_burst_the_claim_is_there_already_and_the_body_does_not_run_all_the_same(bursting: Yard) -> None:
    def tree(ctx: Context[Any]) -> Child:
        policy = CachePolicy(by=lambda: 1)
        plain = Task("first", output=Out)[lambda: Out(n=0)]
        rest = (Task(id, output=Out, cache=policy)[lambda: Out(n=1)] for id in "abc")
        return Sequence[plain, *rest]

    workflow: Workflow[Any] = Workflow("flow", tree, None)
    through(bursting, "r1", workflow)
    through(bursting, "r2", workflow)

    assert bursting.bodies.names == ["first", "a", "b", "c", "first"]
    assert bursting.status("r2") == "finished"


@pytest.mark.feature("cache.validate", "cache.sig", "data.schemasig.mismatch")
def test_an_output_that_does_not_fit_the_model_any_more_is_made_anew(yard: Yard) -> None:
    through(yard, "r1", flow(40), id="t1")
    LIMIT[0] = 30

    ended = through(yard, "r2", flow(4), id="t1")

    assert ended["a"]["output"]["n"] == 4
    assert "r1 does not fit Out any more" in ended["a"]["cache"]["missed"]
    assert through(yard, "r3", flow(), id="t1")["a"]["cache"]["hit"]["run"] == "r2"


def test_a_new_version_runs_anew(yard: Yard) -> None:
    through(yard, "r1", flow(1, version="v1"), id="t1")

    assert through(yard, "r2", flow(2, version="v2"), id="t1")["a"]["output"]["n"] == 2


def test_a_failed_attempt_is_not_kept(yard: Yard) -> None:
    through(yard, "r1", flow(RuntimeError("no")), id="t1")

    assert yard.status("r1") == "failed"
    assert yard.store.cached_outputs() == []


def test_a_large_output_is_taken_whole(yard: Yard) -> None:
    through(yard, "r1", flow(1, text=LARGE), id="t1")

    assert through(yard, "r2", flow(), id="t1")["a"]["output"]["text"] == LARGE


def test_what_has_begun_before_a_crash_ends_from_the_cache_once_another_run_has_produced_it(yard: Yard) -> None:
    yard.start(flow(), "r1", id="t1")
    yard.fetch("r1")
    die_in_body(yard, 1, run="r1")
    through(yard, "r2", flow(7), id="t1")

    yard.hold(flow())
    yard.step(1, "r1", attempt=2)

    assert yard.ended("r1")["a"]["output"]["n"] == 7
    assert yard.ended("r1")["a"]["cache"]["hit"]["run"] == "r2"


@pytest.mark.feature("cache.crossrun")
def test_a_task_that_is_done_does_not_run_again_in_its_run_with_or_without_the_cache(yard: Yard) -> None:
    through(yard, "r1", flow(1), id="t1")
    yard.store.clear_cache()

    yard.step(1, "r1", attempt=2)

    assert yard.bodies.names == ["a", "b"]
    assert yard.store.cached_outputs() == []
