"""A task's body as a worker needs it: from the command's payload where that says everything, else by rendering.

By value costs no planner and takes no lock, so a worker that has just started can run a task of a run with a long log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, cast

from pydantic import BaseModel

from smithers.engine.command import Command
from smithers.engine.entry import Json
from smithers.errors import WorkflowFileError
from smithers.flow.body import TaskBody
from smithers.flow.call import Call
from smithers.flow.stored import read_back
from smithers.flow.task import Task
from smithers.flow.workflow import AnyWorkflow, Workflow


class Code(Protocol):
    """The author's code, loaded."""

    @property
    def workflow(self) -> AnyWorkflow: ...

    @property
    def digest(self) -> str: ...

    def resolve(self, name: str) -> Any:
        """What `module:qualname` stands for. Raises `WorkflowFileError`."""
        ...


def workflow_of(code: Code, options: Json) -> AnyWorkflow:
    """The workflow of a run with these options: that of a subflow's run stands somewhere in its parent's code.

    Raises `WorkflowFileError` where the code does not have it any more.
    """
    entry = options.get("entry")
    found = code.workflow if not entry else code.resolve(entry)
    if not isinstance(found, Workflow):
        raise WorkflowFileError(f"{entry} is no workflow in the code {code.digest[:12]}: it was renamed or removed.")
    return cast("AnyWorkflow", found)


def by_value(code: Code, command: Command) -> TaskBody | None:
    """None where the payload does not hold enough: a function with free variables, or outputs of others."""
    payload = command.payload or {}
    if payload.get("deps") or not (payload.get("fn") or "static" in payload):
        return None
    try:
        return TaskBody(task_of(code, command, payload), {})
    except WorkflowFileError:  # a local class or function, which only rendering can reach
        return None


def task_of(code: Code, command: Command, payload: Json) -> Task[Any]:
    model = cast("type[BaseModel]", code.resolve(payload["output"]))
    timeout = timedelta(milliseconds=command.timeout_ms) if command.timeout_ms else None
    task = Task(command.node, output=model, timeout=timeout, isolated=bool(payload.get("isolated")))
    if "static" in payload:
        return task[read_back(model, payload["static"])]
    function: Callable[..., Any] = code.resolve(payload["fn"])
    if payload.get("args") or payload.get("kwargs"):
        return task[Call(function, tuple(payload["args"]), payload["kwargs"])]
    return task[function]
