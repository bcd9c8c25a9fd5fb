"""A task's body by value: enough for another process to run it without rendering, where that is possible.

Functions that can be imported go as `module:qualname` with their arguments. A function with free variables, or with
arguments that are not plain JSON, is found again by rendering; nothing is ever pickled.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, cast

from pydantic import BaseModel

from smithers.engine.entry import Json
from smithers.flow.policy import duration, milliseconds
from smithers.flow.task import Task


def payload(task: Task[Any], deps: dict[str, tuple[str, str]]) -> Json:
    """`deps` maps parameter names to the node and iteration that produce them."""
    return {
        "output": reference(task.output),
        "deps": {name: list(source) for name, source in deps.items()},
        "timeout_ms": timeout_ms(task),
        "isolated": task.isolated,
        **body(task),
    }


def body(task: Task[Any]) -> Json:
    if isinstance(task.body, BaseModel):
        return {"static": task.body.model_dump(mode="json")}
    bound = task.bound
    assert bound is not None
    args, kwargs = list(bound.args), dict(bound.kwargs)
    if not importable(bound.function) or not (is_plain(args) and is_plain(kwargs)):
        return {"fn": None}
    return {"fn": reference(bound.function), "args": args, "kwargs": kwargs}


def timeout_ms(task: Task[Any]) -> int:
    return 0 if task.timeout is None else milliseconds(duration(task.timeout, "timeout"))


def importable(function: Any) -> bool:
    """Whether its name leads back to this very function. A name that was bound again would run something else."""
    if not isinstance(function, FunctionType) or function.__closure__ is not None:
        return False
    first, *rest = function.__qualname__.split(".")
    found: Any = function.__globals__.get(first)
    for name in rest:
        found = getattr(found, name, None)
    return found is function


def is_plain(value: object) -> bool:
    """Whether JSON gives the same value back."""
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return all(type(key) is str and is_plain(one) for key, one in items)
    if isinstance(value, list):
        return all(map(is_plain, cast("list[object]", value)))
    return value is None or type(value) in (str, int, float, bool)


def reference(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"
