"""What goes into the key of a cached task, and what cannot."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from smithers import CachePolicy, Child, Context, Loop, Sequence, Task, Turn, Workflow, call
from smithers.engine.caching import canonical, digest
from smithers.errors import RenderError
from smithers.testing import InMemoryRun

pytestmark = pytest.mark.decision("0012")


class Out(BaseModel):
    n: int = 0


class Narrow(BaseModel):
    n: int = Field(default=0, le=10)


class Ticket(BaseModel):
    id: str = "t1"
    text: str = ""


def work(n: int = 0) -> Out:
    return Out(n=n)


def other() -> Out:
    return Out()


def key_of(make: Any, input: Any = None, *, name: str = "w", node: str = "a", finish: bool = False) -> str:
    """The key in the command of a node."""
    function = make if callable(make) else lambda ctx: make
    run = InMemoryRun(Workflow(name, function, Ticket), input or {})
    if finish:
        run.finish(run.work[0].n, Out(n=7))
    [command] = [command for command in run.work if command.node == node]
    return (command.payload or {})["cache"]["key"]


def cached(id: str = "a", body: Any = work, *, output: type[BaseModel] = Out, **policy: Any) -> Task[Any]:
    return Task(id, output=output, cache=CachePolicy(**policy))[body]


def ticket(input: Ticket) -> Any:
    return {"id": input.id}


@pytest.mark.feature("cache.key.explicit", "cache.version", "task.cache.version", "cache.key.implicit.schema")
@pytest.mark.parametrize(
    "changed",
    [
        lambda: key_of(cached(by=ticket), name="w2"),
        lambda: key_of(cached("b", by=ticket), node="b"),
        lambda: key_of(cached(by=ticket, output=Narrow)),
        lambda: key_of(cached(by=ticket, version="v2")),
        lambda: key_of(cached(by=ticket), {"id": "t2"}),
        lambda: key_of(cached(by=ticket, body=other)),
    ],
    ids=["workflow", "node", "model", "version", "by", "function"],
)
def test_each_part_of_a_key_makes_another_one(changed: Any) -> None:
    same = key_of(cached(by=ticket), {"text": "does not count"})

    assert same == key_of(cached(by=ticket))
    assert changed() != same


@pytest.mark.feature("so.schema.cachekey", "cache.skipschema", "data.schemasig")
def test_another_schema_under_the_same_name_makes_another_key() -> None:
    def model(**fields: Any) -> type[BaseModel]:
        return type("Report", (BaseModel,), {"__module__": __name__, "__annotations__": fields})

    keys = [key_of(cached(body=call(work), output=model(**fields))) for fields in ({"n": int}, {"n": int}, {"n": str})]

    assert keys[0] == keys[1] != keys[2]


SERVICE = {"model": "large"}


def ask() -> Out:
    return Out(n=len(SERVICE["model"]))


@pytest.mark.feature("cache.notcached")
def test_what_a_body_uses_is_no_part_of_the_key_unless_its_version_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of(cached(body=ask)), key_of(cached(body=ask, version=SERVICE["model"]))
    monkeypatch.setitem(SERVICE, "model", "small")
    after = key_of(cached(body=ask)), key_of(cached(body=ask, version=SERVICE["model"]))

    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.feature("cache.crossrun")
def test_a_key_is_the_same_in_every_run_on_every_machine_of_any_age() -> None:
    """Another way to write it would lose everything that is kept, and needs another `KEY_FORMAT`."""
    assert digest({"b": [1, None], "a": "ä"}) == "e4caa232016484a6396284455390402a812bfdd2be394296225426cebe5d05ad"


@pytest.mark.feature("cache.key.implicit.prompt")
def test_a_value_is_part_of_the_key() -> None:
    assert key_of(cached(body=Out(n=1))) != key_of(cached(body=Out(n=2)))


def test_without_by_everything_that_the_task_is_given_counts() -> None:
    plain = key_of(cached(body=call(work, 1)))

    assert plain == key_of(cached(body=call(work, 1)))
    assert plain != key_of(cached(body=call(work, 2)))
    assert plain != key_of(cached(body=call(work, 1)), {"text": "counts"})


def test_without_by_no_pass_of_a_loop_takes_the_output_of_another() -> None:
    def body(turn: Turn) -> Child:
        return cached()

    run = InMemoryRun(Workflow("w", lambda ctx: Loop("l", until=False, max_iterations=3)[body], None))
    first = run.work[0].payload
    run.finish(run.work[0].n, Out())

    assert first is not None
    assert (run.work[0].payload or {})["cache"] != first["cache"]


@pytest.mark.feature("task.cache.by", "cache.by")
def test_by_is_given_the_outputs_of_deps_and_reads_through_the_context() -> None:
    ways: dict[str, Any] = {
        "deps": lambda first: first.n,
        "ctx": lambda ctx: ctx.output(Out, "first").n,
        "input": lambda input, first: first.n if input.id == "t1" else 0,  # noqa: A006
        "other": lambda first: first.n + 1,
    }

    def make(read: str) -> Any:
        def tree(ctx: Context[Any]) -> Child:
            by = ways[read]
            policy = CachePolicy(by=by)
            return Sequence[
                Task("first", output=Out)[work], Task("a", output=Out, deps={"first": Out}, cache=policy)[take]
            ]

        return tree

    def take(first: Out) -> Out:
        return first

    keys = {read: key_of(make(read), finish=True) for read in ways}
    assert keys["deps"] == keys["ctx"] == keys["input"] != keys["other"]


class Colour(Enum):
    red = "r"


@dataclass
class Point:
    x: int
    tags: frozenset[str] = frozenset()


def test_a_value_is_written_the_same_way_whatever_its_order() -> None:
    one = canonical({"b": [1, 2.5, None], "a": Point(1, frozenset("abc")), "c": (Colour.red, date(2026, 1, 2))})

    assert one == {
        "b": [1, 2.5, None],
        "a": {"x": 1, "tags": ["a", "b", "c"]},
        "c": ["r", "2026-01-02"],
    }
    assert digest(one) == digest(dict(reversed(one.items())))


KEY = """
from tests.unit.engine.test_caching import cached, key_of
print(key_of(cached(by=lambda: {name: {name, "z"} for name in "abcdef"})))
"""


def test_a_key_does_not_depend_on_the_hash_seed() -> None:
    root = Path(__file__).parents[3]

    def key(hash_seed: str) -> str:
        env = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{root}:{root / 'platform'}"}
        return subprocess.run(
            [sys.executable, "-c", KEY], env=env, cwd=root, capture_output=True, text=True, check=True
        ).stdout

    assert key("1") == key("2")


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (lambda: {"client": [object()]}, r"its client\[0\] is <object"),
        (lambda: float("nan"), "it is nan"),
        (lambda: {1: "x"}, "the key 1, which is no text"),
        (lambda: {"f": work}, "its f is <function"),
        (lambda: 1 // 0, "`by` failed: ZeroDivisionError"),
        (lambda ctx: ctx.output(Out, "nobody"), "reads 'nobody', which has no output"),
    ],
)
def test_a_by_without_a_usable_value_is_an_error_with_the_line_of_the_task(by: Any, why: str) -> None:
    with pytest.raises(RenderError, match=why) as refused:
        key_of(cached(by=by))

    assert refused.value.data["code"] == "CACHE_KEY"
    assert "Task('a') at" in str(refused.value)
    assert "test_caching.py:" in str(refused.value)


@pytest.mark.feature("cache.step", "props.task.cache")
def test_a_task_that_has_not_opted_in_has_no_key() -> None:
    run = InMemoryRun(Workflow("w", lambda ctx: Task("a", output=Out)[work], None))

    assert "cache" not in (run.work[0].payload or {})
