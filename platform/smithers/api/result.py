"""What became of a run, as a program gets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from smithers.engine.entry import Json
from smithers.errors import InvalidOutput, NodeNotFound, RunCancelled, RunFailed, RunWaiting
from smithers.flow.stored import read_back

M = TypeVar("M", bound=BaseModel)
ENDED_BADLY: Final = {"failed": RunFailed, "cancelled": RunCancelled}


@dataclass(frozen=True, slots=True)
class Result:
    """How a run stands. A failed run is a result too; `finished()` makes an exception of it."""

    run_id: str
    """Of a run that has continued as new: that of the last one that goes on for it."""
    workflow: str
    status: str
    """`finished`, `failed`, `cancelled`; or what it waits for: `waiting-approval`, `waiting-event`, `waiting-code`, and
    `paused`: for somebody who unpauses it."""
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    """JSON values by node id, each of the latest iteration."""
    last: Any = None
    """The output of the last task in the tree that has one."""
    error: Json | None = None
    """Why it failed: `{code, message, node?, iteration?, data?}`."""

    def output(self, model: type[M], node: str) -> M:
        """A node's output as its model. Raises `NodeNotFound` where it has none, `InvalidOutput` where it is another
        model's."""
        if node not in self.outputs:
            known = ", ".join(self.outputs) or "none"
            raise NodeNotFound(
                f"Run {self.run_id!r} ({self.status}) has no output of a node {node!r}. There are: {known}.", node=node
            )
        try:
            return read_back(model, self.outputs[node])
        except ValidationError as error:
            raise InvalidOutput(
                f"The output of {node!r} in run {self.run_id!r} is no {model.__name__}: {error}", node=node
            ) from None

    def output_maybe(self, model: type[M], node: str) -> M | None:
        """A node's output, or None while there is none."""
        return self.output(model, node) if node in self.outputs else None

    def finished(self) -> Result:
        """Itself. Raises `RunFailed`, `RunCancelled` or `RunWaiting` if the run has not finished."""
        if self.status == "finished":
            return self
        why = f": {self.error['message']}" if self.error else ""
        raised = ENDED_BADLY.get(self.status, RunWaiting)
        raise raised(
            f"Run {self.run_id!r} of {self.workflow!r} is {self.status}{why}. `smithers why {self.run_id}` says more.",
            run_id=self.run_id,
            status=self.status,
            error=self.error,
        )
