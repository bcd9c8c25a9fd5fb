"""Everything that can go wrong, as one tree.

SmithersError
├── AuthoringError            the author's file or tree is wrong; found before anything runs (exit 4)
│   ├── WorkflowFileError     missing, syntax error, no workflow in it, several
│   ├── InvalidElement        an element was written with props or children that make no sense
│   │   └── WrongProperty     one that it does not have, or one missing that it needs
│   └── RenderError           the tree as a whole is wrong: duplicate ids, unknown dependency, cycle, ...
├── InputError                the caller's input is wrong (exit 4)
│   ├── InvalidInput          the run's input does not fit the workflow's input model
│   ├── RunNotFound, RunExists, NodeNotFound, CommandNotFound
│   ├── ScheduleNotFound, ScheduleExists
│   ├── IdempotencyConflict   the idempotency key stands for another request already
│   ├── WrongState            the target is there, but not in a state that allows this
│   └── AnswerRefused         a person's answer does not fit what is asked, or is not theirs to give
├── TaskError                 one attempt of a task failed
│   ├── InvalidOutput         its output does not fit its model
│   ├── TaskTimeout, TaskCancelled
│   ├── BudgetExceeded        a budget of the Aspects around it is spent
│   ├── BodyDied              the process it ran alone in is gone
│   ├── KilledWorker          its process died three times
│   └── NonRetryable          the author says that trying again is useless
├── RunError                  a run has not finished, and the caller wanted its outputs (`Result.finished`)
│   ├── RunFailed, RunCancelled
│   └── RunWaiting            it waits for a person, a time or new code
├── StoreError
│   ├── StoreUnavailable      locked, full or away; worth trying again
│   ├── StoreMissing          nothing has been stored here yet, and the caller only reads
│   ├── StoreVersion          its schema is newer than this code
│   ├── StoreDamaged          the file or a blob in it cannot be read
│   ├── SourcesMissing        the code that a digest stands for has not been kept
│   └── StaleEpoch            the run has been resumed or driven again; this writer must end
└── ServerError
    ├── TemporalUnavailable   no server answers
    └── TemporalMissing       no binary, and no way to get one

Each class has a stable code (`codes.py` lists them all, and those finer ones that a `code=` in the data gives); its
docstring is its default message; `retryable` says whether the same call may work later. Messages say what, where, why
likely, what to do, in this order. No class crosses a process border: only `{code, message, data}` does
(`SmithersError.wire`).
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class SmithersError(Exception):
    """Something went wrong in Smithers."""

    code: ClassVar[str] = "SMITHERS_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", **data: Any) -> None:
        self.message = message or inspect.getdoc(type(self)) or type(self).__name__
        self.data = data
        super().__init__(self.message)

    def wire(self) -> dict[str, Any]:
        """The error as it may cross a trust border."""
        return {"code": self.data.get("code", self.code), "message": self.message, "data": dict(self.data)}


class AuthoringError(SmithersError):
    """The workflow's source is wrong."""

    code = "AUTHORING_ERROR"


class WorkflowFileError(AuthoringError):
    """The workflow file cannot be used."""

    code = "WORKFLOW_FILE"


class InvalidElement(AuthoringError, ValueError):
    """An element makes no sense as it is written."""

    code = "INVALID_ELEMENT"


class WrongProperty(InvalidElement, TypeError):
    """An element was given a property that it does not have, or not given one that it needs."""


class RenderError(AuthoringError):
    """The tree makes no sense as a whole."""

    code = "RENDER_ERROR"


class InputError(SmithersError):
    """The request is wrong."""

    code = "INPUT_ERROR"


class InvalidInput(InputError, ValueError):
    """The run's input does not fit the workflow's input model."""

    code = "INVALID_INPUT"


class RunNotFound(InputError, LookupError):
    """There is no such run."""

    code = "RUN_NOT_FOUND"


class RunExists(InputError):
    """A run with this id exists already."""

    code = "RUN_ALREADY_EXISTS"


class IdempotencyConflict(InputError):
    """The idempotency key stands for another request already."""

    code = "IDEMPOTENCY_CONFLICT"


class NodeNotFound(InputError, LookupError):
    """The run has no such node."""

    code = "NODE_NOT_FOUND"


class CommandNotFound(InputError, LookupError):
    """The run has no such command."""

    code = "COMMAND_NOT_FOUND"


class ScheduleNotFound(InputError, LookupError):
    """There is no such schedule."""

    code = "SCHEDULE_NOT_FOUND"


class ScheduleExists(InputError):
    """There is a schedule with this name already."""

    code = "SCHEDULE_EXISTS"


class WrongState(InputError):
    """The target is not in a state that allows this."""

    code = "WRONG_STATE"


class AnswerRefused(InputError):
    """The answer does not fit what is asked, or this person may not give it."""

    code = "ANSWER_REFUSED"


class TaskError(SmithersError):
    """A task failed."""

    code = "TASK_FAILED"
    retryable = True


class InvalidOutput(TaskError):
    """A task's output does not fit its model."""

    code = "INVALID_OUTPUT"
    retryable = False


class TaskTimeout(TaskError, TimeoutError):
    """A task took longer than its timeout."""

    code = "TASK_TIMEOUT"


class TaskCancelled(TaskError):
    """A task was cancelled."""

    code = "TASK_ABORTED"
    retryable = False


class BodyDied(TaskError):
    """The process in which a task ran alone ended without an answer."""

    code = "BODY_DIED"


class KilledWorker(TaskError):
    """A task killed its worker process three times."""

    code = "KILLED_WORKER"
    retryable = False


class BudgetExceeded(TaskError):
    """A budget of the Aspects around a task is spent."""

    code = "ASPECT_BUDGET_EXCEEDED"
    retryable = False


class NonRetryable(TaskError):
    """Trying this task again is useless."""

    code = "NON_RETRYABLE"
    retryable = False


class RunError(SmithersError):
    """A run has not finished."""

    code = "RUN_ERROR"


class RunFailed(RunError):
    """The run has failed."""

    code = "RUN_FAILED"


class RunCancelled(RunError):
    """The run was cancelled."""

    code = "RUN_CANCELLED"


class RunWaiting(RunError):
    """The run waits."""

    code = "RUN_WAITING"
    retryable = True


class StoreError(SmithersError):
    """The store did not do it."""

    code = "STORE_ERROR"


class StoreUnavailable(StoreError):
    """The store is locked, full or away."""

    code = "STORE_UNAVAILABLE"
    retryable = True


class StoreMissing(StoreError, LookupError):
    """There is no store here yet."""

    code = "STORE_MISSING"


class StoreVersion(StoreError):
    """The store was written by a newer version."""

    code = "STORE_VERSION"


class StoreDamaged(StoreError):
    """The store cannot be read."""

    code = "STORE_DAMAGED"


class SourcesMissing(StoreError, LookupError):
    """The sources of a code are not in the store."""

    code = "SOURCES_MISSING"


class StaleEpoch(StoreError):
    """The run has been resumed or driven again since."""

    code = "STALE_EPOCH"


class ServerError(SmithersError):
    """Temporal is not usable."""

    code = "SERVER_ERROR"


class TemporalUnavailable(ServerError, ConnectionError):
    """No Temporal server answers."""

    code = "TEMPORAL_UNAVAILABLE"
    retryable = True


class TemporalMissing(ServerError):
    """There is no Temporal binary, and no way to get one."""

    code = "TEMPORAL_MISSING"


class WorkflowTaken(ServerError):
    """Another project has a workflow with the run's id in the same namespace of Temporal."""

    code = "WORKFLOW_TAKEN"
