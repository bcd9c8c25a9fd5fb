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
    def function(self) -> Callable[..., Any]:
        return self.task.body.function if isinstance(self.task.body, Call) else self.task.body  # type: ignore[return-value]

    @property
    def args(self) -> tuple[Any, ...]:
        return self.task.body.args if isinstance(self.task.body, Call) else ()

    @property
    def kwargs(self) -> Mapping[str, Any]:
        return self.task.body.kwargs if isinstance(self.task.body, Call) else {}
