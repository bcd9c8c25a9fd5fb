"""Values of the command line that are what a command wants already, such as texts, stay as they are.

Typer has pydantic look at each of them, and that import alone takes as long as a quick command needs altogether. What
else has to be made of a text, such as a number, is still typer's work: it gets the parameter back as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

PLACE = "_runtime_param"
"""Where a parameter of typer keeps what converts its values, made when it is first wanted. Elsewhere in another
version: then typer converts all of them, as if this file were not there."""


class AsItIs:
    """Takes the place of a parameter's conversion."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command gets it. Raises what typer raises."""
        is_many = param.multiple or param.nargs == -1
        if value is None:
            return () if is_many else None
        kind = param.type_descriptor.annotation
        if not is_many and type(value) is kind:
            return value
        if kind == list[str] and is_many and all(type(one) is str for one in value):
            return list(value)
        if isinstance(kind, type) and issubclass(kind, Enum) and value in [one.value for one in kind]:
            return kind(value)
        setattr(param, PLACE, None)
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def leave_as_they_are(command: Any) -> None:
    """Of one command, before its command line is parsed."""
    found: Callable[[Any], list[Any]] = command.get_params

    def get_params(ctx: Any) -> list[Any]:
        """With `--help`, which is made on the way."""
        params = found(ctx)
        for param in params:
            if getattr(param, PLACE, param) is None:
                setattr(param, PLACE, AsItIs())
        return params

    command.get_params = get_params
