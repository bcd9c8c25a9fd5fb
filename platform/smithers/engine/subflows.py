"""Child runs as the parent's plans see them: what is to be started, and what they have ended with."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from smithers.engine.entry import Json
from smithers.engine.inline import last_output, misfit, problem
from smithers.engine.inputs import check_input
from smithers.engine.mounts import Group
from smithers.engine.payload import reference
from smithers.engine.state import NodeMemory, State
from smithers.errors import InvalidInput, RenderError
from smithers.flow.policy import duration, milliseconds
from smithers.flow.subflow import MOST_DEEP, Subflow
from smithers.flow.usage import Usage
from smithers.flow.where import show
from smithers.flow.workflow import AnyWorkflow

FAILED: Final = "WORKFLOW_EXECUTION_FAILED"
"""Code of a node whose child run has failed, or was cancelled by somebody else (components-subflow)."""
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
LONGEST_ID: Final = 100


def checked(subflow: Subflow[Any]) -> Json:
    """The child's input as it will be stored. Raises `RenderError`, with the author's line, for a subflow that cannot
    be started: its input does not fit, or nobody could find its workflow."""
    if subflow.mode == "child_run":
        name_of(subflow)
    try:
        return check_input(subflow.workflow, subflow.given)
    except InvalidInput as error:
        raise RenderError(
            f"Subflow({subflow.id!r}) at {show(subflow.where)}: {error.message}",
            **{**error.data, "code": error.code, "node": subflow.id},
        ) from None


def name_of(subflow: Subflow[Any]) -> str:
    """`module:name` under which any worker with the same code finds the child's workflow."""
    function = subflow.workflow.function
    names = (name for name, value in getattr(function, "__globals__", {}).items() if value is subflow.workflow)
    found = next(names, "")
    if not found:
        raise RenderError(
            f"Subflow({subflow.id!r}) at {show(subflow.where)}: the workflow {subflow.workflow.name!r} has no name at "
            f"the top of {function.__module__}, so no worker could find it for a run of its own. Define it there, or "
            "use mode='inline'.",
            code="SUBFLOW_NOT_FOUND",
            node=subflow.id,
        )
    return f"{function.__module__}:{found}"


def child_payload(subflow: Subflow[Any], state: State, memory: NodeMemory | None, input: Json) -> Json:
    """What the step that starts the child needs. `again` is the attempt whose child goes on, 0 for a fresh one."""
    limit = 0 if subflow.timeout is None else milliseconds(duration(subflow.timeout, "timeout"))
    return {
        "workflow": subflow.workflow.name,
        "entry": name_of(subflow),
        "input": input,
        "output": reference(subflow.output),
        "timeout_ms": limit,
        "depth": state.depth + 1,
        "again": 0 if memory is None else memory.goes_on,
    }


def refusal(node: str, about: Json) -> Json | None:
    """Why the child of a `subflow` command with this payload is not started: there are too many runs above it."""
    if about["depth"] <= MOST_DEEP:
        return None
    return {
        "code": "SUBFLOW_TOO_DEEP",
        "message": f"Subflow {node!r} would be the {about['depth']}th run within another, and {MOST_DEEP} are allowed: "
        f"most likely {about['workflow']!r} starts itself without end. Give it a condition, or a loop.",
        "retryable": False,
    }


def child_id(run_id: str, node: str, iteration: str, attempt: int) -> str:
    """The child's run id: the same for the same attempt, whoever starts it."""
    name = f"{node}-{iteration}" if iteration else node
    if not iteration and PLAIN_ID.fullmatch(node):
        found = f"{run_id}.{node}.{attempt}"
        if len(found) <= LONGEST_ID:
            return found
    digest = hashlib.sha256(f"{run_id}\0{node}\0{iteration}".encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return f"{run_id[: LONGEST_ID - 62]}.{readable}-{digest}.{attempt}"


def run_name(workflow: AnyWorkflow) -> str:
    """Id of the time limit around a child's whole tree."""
    return f"run:{workflow.name}"


def returned(subflow: Subflow[Any], memory: NodeMemory) -> tuple[Any, Json | None]:
    """What the child run has ended with, or why that is no output of this node."""
    assert memory.returned is not None
    output, run_id = memory.returned
    child = f"run {run_id!r} of {subflow.workflow.name!r}"
    if output is None:
        return None, misfit(child, subflow, "no task of it has an output")
    found = problem(subflow, output)
    return output, misfit(child, subflow, found) if found else None


def told(root: Group, state: State, status: str, error: Json | None, workflow: str) -> Json:
    """How a run has ended, as its parent is told: the fields of an `ended` fact, but for the place in the parent.

    With what it has used, so that it counts in the parent's budgets. A run that fails, is resumed and ends again tells
    each time what it has used since.
    """
    about: Json = {"outcome": status, "run": state.run_id, "ms": 0}
    if state.used is not None:
        about["usage"] = Usage(*state.used).wire()
    if status == "finished":
        key = last_output(state, root)
        return {**about, "output": state.nodes[key].output if key else None}
    why = f": {error['message']}" if error else ""
    data: Json = {"status": status, "run_id": state.run_id, "error": error}
    message = f"run {state.run_id!r} of {workflow!r} {'was cancelled' if status == 'cancelled' else 'failed'}{why}"
    return {**about, "error": {"code": FAILED, "message": message, "retryable": status == "failed", "data": data}}
