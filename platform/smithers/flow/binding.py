"""Which arguments a body's function is called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType, UnionType
from typing import Any, Final, Union, cast, get_args, get_origin
from weakref import WeakKeyDictionary

from smithers.flow.call import Call
from smithers.flow.task_context import TaskContext

EXPLICIT: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Shape:
    """What counts of a function's signature."""

    positional: tuple[str, ...]
    contexts: tuple[str, ...]
    """Parameters annotated `TaskContext`."""


Given = tuple[int, tuple[str, ...], tuple[str, ...]]
"""How many arguments have no name, the names of the others, and those of the `deps`."""
EMPTY: Final = Shape((), ())
shapes: Final[WeakKeyDictionary[CodeType, Shape]] = WeakKeyDictionary()
"""By code, not by function: a function inside a function is a new one at each render."""
fitting: Final[WeakKeyDictionary[CodeType, set[Given]]] = WeakKeyDictionary()
"""What functions are known to take."""


def arguments(call: Call[Any], deps: Mapping[str, Any], context: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments: those of `call`, the `deps` by name, and the context where it is asked for.

    Positional arguments of `call` fill the parameters that nothing else fills, so that `call(write, path)` works for
    `def write(plan: Plan, path: str)` with `plan` in `deps`.
    """
    shape = shape_of(call.function)
    kwargs: dict[str, Any] = {**dict.fromkeys(shape.contexts, context), **deps, **call.kwargs}
    args = call.args
    if args and not kwargs.keys().isdisjoint(shape.positional[: len(args)]):
        free = [name for name in shape.positional if name not in kwargs]
        kwargs.update(zip(free, args, strict=False))
        args = args[len(free) :]
    return args, kwargs


def misfit(call: Call[Any], deps: Iterable[str]) -> str:
    """Why a body's function cannot be called with what it will be given; empty where it can, or does not tell."""
    function, names = call.function, tuple(deps)
    code: CodeType | None = getattr(function, "__code__", None)
    given = len(call.args), tuple(call.kwargs), names
    if code is not None and given in fitting.get(code, ()):
        return ""
    if hasattr(function, "__signature__"):  # whoever made it up may take more than it says
        return ""
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # a wrapper may add arguments of its own
    except (ValueError, TypeError):
        return ""
    try:
        args, kwargs = arguments(call, dict.fromkeys(names), None)
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    if code is not None:
        fitting.setdefault(code, set()).add(given)
    return ""


def shape_of(function: Callable[..., Any]) -> Shape:
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return examined(function)
    if not code.co_argcount and not code.co_kwonlyargcount:
        return EMPTY
    found = shapes.get(code)
    if found is None:
        found = shapes[code] = examined(function)
    return found


def examined(function: Callable[..., Any]) -> Shape:
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError):  # some functions written in C do not tell
        return EMPTY
    names = namespace(function)
    positional = tuple(name for name, one in parameters.items() if one.kind in EXPLICIT)
    return Shape(positional, tuple(name for name, one in parameters.items() if is_context(one.annotation, names)))


def namespace(function: Callable[..., Any]) -> Mapping[str, Any]:
    """What the names in a function's annotations may stand for."""
    inner: Any = inspect.unwrap(function)
    if isinstance(inner, partial):
        inner = cast("partial[Any]", inner).func
    if isinstance(inner, MethodType):
        inner = inner.__func__
    if not isinstance(inner, FunctionType):  # an object with a `__call__`
        inner = type(inner).__call__
    outer: Mapping[str, Any] = getattr(inner, "__globals__", {})
    return outer


def is_context(annotation: Any, names: Mapping[str, Any]) -> bool:
    """Whether an annotation is `TaskContext`, or a union with it; as a string, too."""
    if isinstance(annotation, str):
        if "TaskContext" not in annotation and annotation not in names:
            return False
        try:
            annotation = eval(annotation, {**names})  # noqa: S307  what typing.get_type_hints does, for one parameter
        except Exception:  # noqa: BLE001  names that exist for type checkers only
            return annotation.rpartition(".")[2] == "TaskContext"
    if get_origin(annotation) in (Union, UnionType):
        return TaskContext in get_args(annotation)
    return annotation is TaskContext
