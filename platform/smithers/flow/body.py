"""What one attempt of a task has to do, with everything it reads resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from smithers.flow.call import Call
from smithers.flow.task import Task


@dataclass(frozen=True, slots=True)
class TaskBody:
    """A task's element and the outputs its `deps` name, as instances of their models."""

    task: Task[Any]
    deps: Mapping[str, BaseModel]

    @property
    def static(self) -> BaseModel | None:
        """The value to store as it is, for a task without a function."""
        return self.task.body if isinstance(self.task.body, BaseModel) else None

    @property
    def call(self) -> Call[Any]:
        """The function to call, with its bound arguments; only for a task without a `static` value."""
        bound = self.task.bound
        assert bound is not None
        return bound

    @property
    def function(self) -> Callable[..., Any]:
        return self.call.function

    @property
    def args(self) -> tuple[Any, ...]:
        return self.call.args

    @property
    def kwargs(self) -> Mapping[str, Any]:
        return self.call.kwargs
