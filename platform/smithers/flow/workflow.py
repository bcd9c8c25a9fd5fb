"""`@workflow` turns a function of a context into a workflow."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from pydantic import BaseModel

from smithers.flow.context import Context
from smithers.flow.element import Child, check_not_async
from smithers.flow.task import check_model
from smithers.flow.where import Where, author_line, invalid

I = TypeVar("I")  # noqa: E741
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Workflow(Generic[I]):
    """A named tree of work. Calling it renders the author's function, which engines do and authors need not."""

    name: str
    function: Callable[[Context[I]], Child]
    input: type[BaseModel] | None
    where: Where = field(default_factory=author_line, compare=False, repr=False)

    def __call__(self, context: Context[I]) -> Child:
        return self.function(context)


AnyWorkflow = Workflow[Any]


@overload
def workflow(function: Callable[[Context[Any]], Child], /) -> Workflow[Any]: ...
@overload
def workflow(*, input: type[B], name: str = "") -> Callable[[Callable[[Context[B]], Child]], Workflow[B]]: ...
@overload
def workflow(*, name: str = "") -> Callable[[Callable[[Context[Any]], Child]], Workflow[Any]]: ...
def workflow(
    function: Callable[[Context[Any]], Child] | None = None, /, *, input: type[BaseModel] | None = None, name: str = ""
) -> Any:
    """Makes a workflow of a function. Its name is the function's, with dashes, unless given.

    `input` is a pydantic model; with it, the run's input is validated and unknown keys are refused.
    """
    if input is not None:
        check_model(input, "@workflow: input")

    def make(written: Callable[[Context[Any]], Child]) -> Workflow[Any]:
        check_not_async(written, "A workflow")
        called = name or written.__name__.replace("_", "-")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", called):
            raise invalid(f"@workflow(name={called!r}): letters, digits, dots, dashes, underscores; at most 100.")
        return Workflow(called, written, input)

    return make if function is None else make(function)
