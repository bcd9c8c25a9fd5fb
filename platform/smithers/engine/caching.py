"""The key under which a task's output is kept for other runs (concepts-caching: What Goes Into the Cache Key).

A key is the SHA-256 of JSON that is written the same way everywhere: keys sorted, sets sorted, models and dataclasses
by their fields. It is made by the plan that starts the task, since only there everything that the key depends on is at
hand, and it stands in the command. So who looks the key up needs neither the tree nor the author's `by`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel, PydanticUserError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError, to_jsonable_python

from smithers.engine.entry import Json
from smithers.engine.mounts import Leaf
from smithers.engine.payload import reference
from smithers.engine.reads import Skipped, Suspended, validated
from smithers.engine.tree import Tree, describe
from smithers.engine.waits import outputs_of
from smithers.errors import RenderError
from smithers.flow.task import Task
from smithers.flow.where import show

KEY_FORMAT: Final = 1
"""Of what goes into a key: another one makes all older keys count no more."""


class Unwritable(Exception):
    """A value that has no place in a key: where it stands in what `by` has returned, and why."""


def cache_of(tree: Tree, leaf: Leaf, task: Task[Any]) -> Json:
    """What the command of a task says of the cache: nothing unless its author has opted in.

    Raises `RenderError` where `by` fails, or returns what JSON cannot hold.
    """
    if task.cache is None:
        return {}
    where = f"The cache of Task({task.id!r}) at {show(task.where)}"
    depends = given(tree, leaf, task) if task.cache.by is None else returned(tree, leaf, task, where)
    try:
        parts = [
            KEY_FORMAT,
            tree.workflow.name,
            task.id,
            [reference(task.output), signature(task.output)],
            task.cache.version,
            work(task),
            canonical(depends),
        ]
    except Unwritable as error:
        what = "`by` returns what" if task.cache.by is not None else "it is given what"
        raise RenderError(
            f"{where}: {what} cannot be part of a key: {error}. Return text, numbers, lists, dicts, models or "
            "dataclasses that say what the output depends on.",
            code="CACHE_KEY",
            node=task.id,
        ) from None
    return {"cache": {"key": digest(parts), "version": task.cache.version}}


def given(tree: Tree, leaf: Leaf, task: Task[Any]) -> Any:
    """Everything that a task is given."""
    sources = outputs_of(tree, leaf)
    outputs = {name: tree.state.nodes[f"{id}:{turn}"].output for name, (id, turn) in sources.items()}
    arguments = None if task.bound is None else [list(task.bound.args), dict(task.bound.kwargs)]
    return [tree.state.input, leaf.scope.iteration, arguments, outputs]


def returned(tree: Tree, leaf: Leaf, task: Task[Any], where: str) -> Any:
    assert task.cache is not None
    assert task.cache.by is not None
    values: dict[str, Any] = {"ctx": tree.context, "input": tree.context.input}
    for name, (id, turn) in outputs_of(tree, leaf).items():
        key = f"{id}:{turn}"
        values[name] = validated(task.deps[name], tree.state.nodes[key].output, key, task.where)
    try:
        with tree.reads.during(leaf.scope, {}):
            return task.cache.by(**{name: values[name] for name in task.cache.asks_for})
    except (Suspended, Skipped) as wait:
        node = wait.missing.node if isinstance(wait, Suspended) else "a node that was skipped"
        raise RenderError(
            f"{where}: `by` reads {node!r}, which has no output when the task begins: put it into the task's deps.",
            code="CACHE_KEY",
            node=task.id,
        ) from None
    except RenderError:
        raise
    except Exception as error:
        raise RenderError(f"{where}: `by` failed: {describe(error)}", code="CACHE_KEY", node=task.id) from error


def work(task: Task[Any]) -> Any:
    """The name of the function, or the value."""
    if isinstance(task.body, BaseModel):
        return {"static": canonical(task.body)}
    assert task.bound is not None
    function: Any = task.bound.function
    named = hasattr(function, "__qualname__") and hasattr(function, "__module__")
    return {"fn": reference(function if named else type(function))}


@lru_cache(maxsize=256)
def signature(model: type[BaseModel]) -> str:
    """Of the model's JSON Schema; empty where it has none."""
    try:
        return digest(model.model_json_schema())
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return ""


def digest(value: Any) -> str:
    return hashlib.sha256(written(value).encode("utf-8", "surrogatepass")).hexdigest()


def written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def canonical(value: Any, at: str = "") -> Any:
    """The value as JSON that depends on nothing but what it says. Raises `Unwritable`."""
    match value:
        case None | bool() | str() | int() if not isinstance(value, Enum):
            return value
        case float() if not isinstance(value, Enum):
            if not math.isfinite(value):
                raise Unwritable(f"{place(at)} is {value}")
            return value
        case BaseModel():
            return {name: canonical(one, f"{at}.{name}") for name, one in value}
        case Mapping():
            return of_mapping(cast("Mapping[Any, Any]", value), at)
        case list() | tuple():
            every = cast("list[Any]", value)
            return [canonical(one, f"{at}[{index}]") for index, one in enumerate(every)]
        case AbstractSet():
            return sorted((canonical(one, f"{at}{{}}") for one in cast("AbstractSet[Any]", value)), key=written)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {one.name: canonical(getattr(value, one.name), f"{at}.{one.name}") for one in fields(value)}
        case _:
            return scalar(value, at)


def of_mapping(value: Mapping[Any, Any], at: str) -> Json:
    for key in value:
        if not isinstance(key, str):
            raise Unwritable(f"{place(at)} has the key {key!r:.60}, which is no text")
    return {key: canonical(one, f"{at}.{key}") for key, one in value.items()}


def scalar(value: Any, at: str) -> Any:
    """Dates, UUIDs, paths, enums, decimals: what pydantic writes as one text or number."""
    try:
        found = None if callable(value) else to_jsonable_python(value)
    except (PydanticSerializationError, ValueError, UnicodeDecodeError):
        found = None
    if not isinstance(found, str | int | float):
        raise Unwritable(f"{place(at)} is {value!r:.60} ({type(value).__name__})")
    return found


def place(at: str) -> str:
    return f"its {at.removeprefix('.')}" if at else "it"
