"""A workflow as a node of another one: as a run of its own, or with its tree in the parent's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel

from smithers.flow.element import Child, Element
from smithers.flow.nothing import nothing
from smithers.flow.task import Task
from smithers.flow.where import invalid
from smithers.flow.workflow import Workflow

M = TypeVar("M", bound=BaseModel)
Mode = Literal["child_run", "inline"]
MOST_DEEP: Final = 16
"""Subflows within subflows: a workflow that starts itself without end stops here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subflow(Task[M]):
    """Runs another workflow (components-subflow): `Subflow("research", workflow=research, output=Report, input=...)`.

    Its output is the child's: that of the last task in the child's tree that has one, as this `output` model.

    `child_run`: a run of its own, with its own id, log and status; for the parent it is one task. `retries` start a
    fresh run each; a resume of the parent goes on with the child that failed. If the child fails, this node fails with
    the child's error and run id. Where this node is withdrawn, or the parent cancelled, the child is cancelled, and
    the parent waits until it has cleaned up.

    `inline`: the child's tree takes the place of this element, in sequence. Its ids, and those it reads, are prefixed:
    the child's `find` is `research.find` here. It reads its own input and its own nodes, nothing of the parent's.
    """

    workflow: Workflow[Any]
    input: BaseModel | Mapping[str, Any] | None = None
    """What the child's input model takes; None is an empty object."""
    mode: Mode = "child_run"
    retries: int = 0
    """Runs of the child after the first. `inline`: none; the child's own tasks have theirs."""

    def __post_init__(self) -> None:
        super(Subflow, self).__post_init__()
        what = f"Subflow({self.id!r})"
        if not self.label:
            object.__setattr__(self, "label", self.id)
        if not isinstance(self.workflow, Workflow):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
            raise invalid(f"{what}: workflow={self.workflow!r:.60} is no workflow: write @workflow above its function.")
        if self.mode not in get_args(Mode):
            raise invalid(f"{what}: mode={self.mode!r}: use one of {', '.join(get_args(Mode))}.")
        if self.input is not None and not isinstance(self.input, BaseModel | Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise invalid(f"{what}: input={self.input!r:.60} is no input: give a mapping or a value of its model.")
        if self.deps:
            raise invalid(f"{what}: deps are handed to a function, and a subflow has none: use needs, and input.")
        if self.cache is not None:
            raise invalid(f"{what}: cache is for tasks: say it at the tasks of the child, which keep it in any run.")
        if self.queue is not None:
            raise invalid(f"{what}: queue is for tasks: say it at the tasks of the child, or they might wait for it.")
        if self.isolated:
            raise invalid(f"{what}: isolated=True is for tasks: say it at the tasks of the child.")
        if self.mode == "inline" and (self.retries or self.needs_approval):
            name = "retries" if self.retries else "needs_approval"
            raise invalid(f"{what}: {name} is for mode='child_run': inline, the child's tasks stand for themselves.")

    def __getitem__(self, children: Child) -> Subflow[M]:
        raise invalid(f"Subflow({self.id!r}) takes no children: what it runs is its workflow.")

    @property
    def given(self) -> dict[str, Any]:
        """The input as JSON, not validated."""
        if isinstance(self.input, BaseModel):
            return self.input.model_dump(mode="json")
        return dict(self.input or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline(Element):
    """The tree of an inline subflow. Not for authors."""

    subflow: Subflow[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Element):
    """The node of an inline subflow, which has the output of the child's last task. Not for authors."""

    subflow: Subflow[Any]
    id: str
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=nothing)
    skip_if: bool = False

    @classmethod
    def of(cls, subflow: Subflow[Any]) -> Outcome:
        return cls(subflow=subflow, id=subflow.id, label=subflow.label, meta=subflow.meta, where=subflow.where)

    def upstream(self) -> tuple[str, ...]:
        return ()
