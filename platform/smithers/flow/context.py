"""What the author's function is given: the run's input, and reads of what has been produced so far."""

from __future__ import annotations

from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from smithers.errors import RenderError
from smithers.flow.stored import read_back
from smithers.flow.where import author_line, show

I = TypeVar("I")  # noqa: E741  the input's type
M = TypeVar("M", bound=BaseModel)


class Reader(Protocol):
    """Where a context's reads go; the engine implements it and notes who has read what."""

    def output(self, model: type[M], node: str, iteration: int | str | None) -> M: ...
    def output_maybe(self, model: type[M], node: str, iteration: int | str | None) -> M | None: ...
    def latest(self, model: type[M], node: str) -> M | None: ...
    def iteration_count(self, node: str) -> int: ...
    def iterations(self) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a run is told that goes on for another one."""

    payload: Any
    """What was carried, as JSON; None where nothing was."""
    run_id: str
    """The run before."""
    root_id: str
    """The run that all began with."""
    generation: int
    """How many runs were before: 1 in the first one that goes on for another."""


class Context(Generic[I]):
    """One per run. Every read is remembered, so that only what has read a changed value renders again."""

    __slots__ = ("_continuation", "_reader", "input", "run_id")

    def __init__(self, run_id: str, input: I, reader: Reader, continuation: Continuation | None = None) -> None:
        self.run_id = run_id
        self.input: I = input
        """The run's input, validated by the workflow's input model; a dict where the workflow names none."""
        self._reader = reader
        self._continuation = continuation

    def output(self, model: type[M], node: str, *, iteration: int | str | None = None) -> M:
        """The output of a node. Suspends the nearest function used as a child until it is there.

        Without `iteration`: inside a loop that of the current pass, outside the latest.
        """
        return self._reader.output(model, node, iteration)

    def output_maybe(self, model: type[M], node: str, *, iteration: int | str | None = None) -> M | None:
        """The output of a node, or None while there is none."""
        return self._reader.output_maybe(model, node, iteration)

    def latest(self, model: type[M], node: str) -> M | None:
        """The output with the highest iteration, or None."""
        return self._reader.latest(model, node)

    def iteration_count(self, node: str) -> int:
        """How many iterations of a node have an output."""
        return self._reader.iteration_count(node)

    @property
    def iteration(self) -> int:
        """The current pass of the innermost loop, from 0; 0 outside loops."""
        return next(reversed(self._reader.iterations().values()), 0)

    @property
    def iterations(self) -> dict[str, int]:
        """The current pass of each loop around the reading part, outermost first."""
        return self._reader.iterations()

    @property
    def continuation(self) -> Continuation | None:
        """What this run goes on with for another one, see `ContinueAsNew`; None in a run that nothing was before.

        A copy each time: what is changed in it changes nothing for others. Within an inline subflow it is None.
        """
        found = self._continuation
        return None if found is None else replace(found, payload=deepcopy(found.payload))

    @property
    def generation(self) -> int:
        """How many runs were before that this one goes on for; 0 in the first."""
        return 0 if self._continuation is None else self._continuation.generation

    def carried(self, model: type[M]) -> M | None:
        """What the run before has carried on, as its model; None where nothing was carried.

        Raises `RenderError` with the code `CARRIED_STATE_INVALID` where it is another model's.
        """
        found = self.continuation
        if found is None or found.payload is None:
            return None
        try:
            return read_back(model, found.payload)
        except ValidationError as error:
            first = error.errors()[0]
            raise RenderError(
                f"What run {found.run_id!r} has carried on is read as {model.__name__} at {show(author_line())}, but "
                f"it does not fit: {first['msg']} ({'.'.join(map(str, first['loc'])) or 'the whole'}). Read it with "
                "the model that ContinueAsNew was given, and give new fields defaults.",
                code="CARRIED_STATE_INVALID",
            ) from None


AnyContext = Context[Any]
RENDERING: Final[ContextVar[AnyContext | None]] = ContextVar("smithers_rendering", default=None)
"""The context of what renders now in this thread; the engine sets it."""


def use_context() -> AnyContext:
    """The context of the workflow that renders now, for functions that nobody hands it to (page concepts: useCtx).

    Raises `RenderError` with the code `CONTEXT_OUTSIDE_WORKFLOW` while nothing renders, as in a task's body.
    """
    context = RENDERING.get()
    if context is None:
        raise RenderError(
            f"use_context() is called at {show(author_line())}, outside of rendering: call it in the workflow function "
            "or in what that calls, and hand values on to tasks with call(fn, value) or deps.",
            code="CONTEXT_OUTSIDE_WORKFLOW",
        )
    return context
