"""`call(fn, ...)` binds arguments now, so that a loop's variable cannot change under a task."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from smithers.flow.nothing import NOTHING
from smithers.flow.where import invalid

R = TypeVar("R", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A function with the arguments it is to be called with; `deps` and the task context are added to them."""

    function: Callable[..., R | Awaitable[R]]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def call(function: Callable[..., T | Awaitable[T]], /, *args: Any, **kwargs: Any) -> Call[T]:
    """Binds arguments by value. Arguments that are plain JSON go into the command; others are found by rendering."""
    if not callable(function):
        raise invalid(f"call({function!r}): the first argument is the function to call.")
    return Call(function, args, kwargs or NOTHING)


def takes_argument(function: Callable[..., Any]) -> bool:
    """Whether a handler wants what it can be given. Arguments with a default are bound variables, and do not count."""
    parameters = inspect.signature(function).parameters.values()
    return any(
        one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters
    )
