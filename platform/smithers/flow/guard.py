"""Blocks that decide what becomes of a failure below them: they catch it, clean up after it, or undo what was done."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self, get_args

from smithers.flow.approval import Approval
from smithers.flow.element import Bracketed, Child, Element, Node, Part, check_id, normalized
from smithers.flow.task import Task
from smithers.flow.wait import Timer
from smithers.flow.where import invalid

OnFailure = Literal["compensate", "compensate-and-fail", "fail"]


@dataclass(frozen=True, slots=True)
class Caught:
    """A failure, as a `catch` or a `compensation` that takes an argument gets it."""

    code: str
    """`TASK_FAILED` for what an author's function raised; the code of a `SmithersError`; `APPROVAL_DENIED`, ..."""
    summary: str
    """What went wrong, in one line."""
    node: str = ""
    """Id of the node that failed; empty where a block failed as a whole, and where it was stopped from outside."""
    iteration: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard(Element):
    """What all blocks share: an id under which the log keeps how far the block is. Not for authors."""

    id: str = ""
    """Without one, the block is named after the first node in it."""
    skip_if: bool = False

    def __post_init__(self) -> None:
        if self.id:
            check_id(self.id, type(self).__name__)

    def __getitem__(self, children: Child) -> Self:
        written = super(Guard, self).__getitem__(children)
        written.name  # noqa: B018  refuses a block that cannot be named
        return written

    @property
    def kind(self) -> str:
        """What the author wrote, for errors."""
        return type(self).__name__

    @property
    def name(self) -> str:
        """The id, or one made of the id of the first node below. Raises `InvalidElement` where there is neither."""
        first = self.id or first_id(self.children)
        if not first:
            kind = self.kind
            what = "begins with a function, so it" if self.children else "has nothing in it, so it"
            raise invalid(f'{kind} {what} needs an id of its own: {kind}(id="...").', self.where)
        return self.id or f"{first}:{type(self).__name__.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TryCatchFinally(Guard, metaclass=Bracketed):
    """Runs its children in sequence; a failure below them goes to `catch`, and `finally_` runs in any case.

    `TryCatchFinally(catch=..., finally_=...)[try_]` (components-try-catch-finally). A failure is what is left once a
    task's retries are used up; `continue_on_fail` tolerates it earlier. `catch` is elements, a part, or a function of
    the failure (`Caught`); with `catch_errors` it gets failures with these codes only. What was caught is done: the
    workflow goes on, and who needs an output that never came is skipped. `finally_` also runs when `catch` fails, when
    a group around it fails, and when the run is cancelled. If it fails itself, that is the block's failure.
    """

    catch: Child = None
    finally_: Child = None
    catch_errors: Items[str] | None = None
    """Error codes; None is all."""

    def __post_init__(self) -> None:
        Guard.__post_init__(self)
        if isinstance(self.catch_errors, str):
            raise invalid(f"TryCatchFinally: catch_errors={self.catch_errors!r}: give a list of error codes.")
        if self.catch_errors is not None and self.catch is None:
            raise invalid("TryCatchFinally: catch_errors says what `catch` is for, but there is no `catch`.")
        for prop in ("catch", "finally_"):
            children = tuple(normalized(getattr(self, prop), f"TryCatchFinally({prop}=...)"))
            object.__setattr__(self, prop, children)

    @property
    def catches(self) -> tuple[Node, ...]:
        return nodes(self.catch)

    @property
    def cleanup(self) -> tuple[Node, ...]:
        return nodes(self.finally_)

    def is_for(self, code: str) -> bool:
        """Whether `catch` handles failures with this code."""
        return bool(self.catches) and (self.catch_errors is None or code in self.catch_errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaStep(Element):
    """One step of a saga: `SagaStep("book", compensation=cancel)[book]`. The children are its action, in sequence.

    `compensation` is elements, a part, or a function of the failure (`Caught`).
    """

    id: str = field(kw_only=False)
    compensation: Child = None
    label: str = ""

    def __post_init__(self) -> None:
        check_id(self.id, "SagaStep")
        children = tuple(normalized(self.compensation, f"SagaStep({self.id!r}, compensation=...)"))
        object.__setattr__(self, "compensation", children)

    @property
    def undo(self) -> tuple[Node, ...]:
        return nodes(self.compensation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga(Guard, metaclass=Bracketed):
    """Steps in sequence, undone in reverse if one of them fails (components-saga).

    `Saga(on_failure=...)[SagaStep(...)[...], ...]`, or `Saga(steps=[...])`, which wins over children. When a step
    fails, the compensations of the steps *before* it run, last first; they are ordinary nodes, with their own retries.
    Then the workflow goes on (`compensate`), or the saga fails with what the step failed with (`compensate-and-fail`).
    With `fail` nothing is undone. A saga that is stopped before its end, because a group around it fails or the run is
    cancelled, is undone too. A compensation that fails does not keep the others from running, but fails the saga.
    """

    Step: ClassVar[type[SagaStep]] = SagaStep
    on_failure: OnFailure = "compensate"
    steps: Items[SagaStep] = ()

    def __post_init__(self) -> None:
        Guard.__post_init__(self)
        if self.on_failure not in get_args(OnFailure):
            raise invalid(f"Saga: on_failure={self.on_failure!r}: use one of {', '.join(get_args(OnFailure))}.")
        object.__setattr__(self, "steps", tuple(self.steps))
        seen: set[str] = set()  # `__getitem__` makes a new saga, so this sees the children too
        for step in self.all_steps:
            if not isinstance(step, SagaStep):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
                raise invalid(
                    f"Saga got {step!r:.60} as a step: write SagaStep(id, compensation=...)[action].", self.where
                )
            if step.id in seen:
                raise invalid(
                    f"Saga: two steps are called {step.id!r}: steps of a saga have different ids.", self.where
                )
            seen.add(step.id)

    @property
    def all_steps(self) -> tuple[SagaStep, ...]:
        return tuple(self.steps) or self.children  # type: ignore[return-value]

    @property
    def name(self) -> str:
        steps = self.all_steps
        return self.id or (f"{steps[0].id}:saga" if steps else "saga")


def nodes(children: Child) -> tuple[Node, ...]:
    """Children that were normalized before."""
    return children


def first_id(children: tuple[Node, ...]) -> str:
    """Id of the first node that is written down below; empty where a function comes first."""
    for child in children:
        if isinstance(child, Part):
            return ""
        if isinstance(child, Task | Approval | Timer):
            return child.id
        found: str = getattr(child, "id", "") or first_id(child.children)
        if found:
            return found
    return ""
