"""Reusing what a task has produced before, in another run (concepts-caching)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.flow.element import Written, captured
from smithers.flow.where import invalid

GIVEN: Final = ("ctx", "input")
"""What a `by` may ask for besides the task's `deps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy(metaclass=Written):
    """Opts a task into the cache: `Task("id", output=Model, cache=CachePolicy(by=..., version="v1"))[body]`.

    A task with the same key takes the stored output instead of running, in any run of any version of the code. The key
    is made of the workflow's name, the task's id, its output model with its schema, the name of its function or its
    value, `version`, and what `by` returns. It does not hold the function's source, nor the services it uses: what
    changes the output and stands in none of these belongs into `version`. Only outputs are kept, never failures; one
    that does not fit the model any more is made anew. Do not cache what is done for its effects.
    """

    by: Callable[..., Any] | None = None
    """Says what the output depends on: a pure function of any of `ctx`, `input` (the run's) and the names in the task's
    `deps`, asked for by parameter name. It is called by plans, so it must be quick, and returns what JSON can hold,
    models and dataclasses included. Without it everything that the task is given counts: the run's input, the arguments
    of `call`, the outputs of its `deps`, and the pass of the loops around it."""
    version: str = ""
    """Another one makes older outputs count no more."""
    captured: tuple[tuple[str, int], ...] = field(default=(), init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.by is not None and not callable(self.by):
            raise invalid(
                f"CachePolicy(by={self.by!r:.60}): `by` is a function that returns what the output depends on, such as "
                "lambda input: input.ticket_id."
            )
        if not isinstance(self.version, str):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
            raise invalid(f"CachePolicy(version={self.version!r:.60}): a version is text.")
        object.__setattr__(self, "captured", () if self.by is None else captured(self.by))

    @property
    def asks_for(self) -> tuple[str, ...]:
        """The parameters of `by`; those with a default are bound variables, and do not count."""
        if self.by is None:
            return ()
        parameters = inspect.signature(self.by).parameters.values()
        return tuple(one.name for one in parameters if one.default is one.empty)

    def check(self, what: str, deps: Collection[str]) -> None:
        """Raises `InvalidElement` where `by` asks for what the task `what` cannot give it."""
        for name in self.asks_for:
            if name not in GIVEN and name not in deps:
                known = ", ".join((*GIVEN, *deps))
                raise invalid(f"{what}: `by` of its cache asks for {name!r}: its parameters are any of {known}.")
