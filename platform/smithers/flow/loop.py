"""A loop runs its body again until a condition holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from smithers.flow.deadline import Timed
from smithers.flow.element import Child, check_id, check_not_async, is_count
from smithers.flow.guard import first_id
from smithers.flow.where import invalid


@dataclass(frozen=True, slots=True)
class Turn:
    """One pass of a loop, given to a body or an `until` that takes an argument."""

    iteration: int
    """From 0. For `until` before the first pass it is 0 too, and nothing can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Timed):
    """Runs its body until `until` holds (components-loop). `until` is looked at before every pass, the first included.

    The body is elements, or a function of the pass. Reads inside body and `until` are scoped to that pass.
    """

    id: str = field(default="", kw_only=False)
    """Without one, the loop is named after the first node in it, `<node>:loop`."""
    until: bool | Callable[[], bool] | Callable[[Turn], bool]
    max_iterations: int | None = 5
    """None is endless."""
    on_max_reached: Literal["fail", "return-last"] = "return-last"
    skip_if: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if self.id:
            check_id(self.id, "Loop")
        if not (isinstance(self.until, bool) or callable(self.until)):
            raise invalid(f"Loop({self.id!r}): until={self.until!r:.60}: give a function, True or False.")
        check_not_async(self.until, f"Loop({self.id!r}): until")
        self.check_timeout()
        if not (self.max_iterations is None or is_count(self.max_iterations)):
            raise invalid(f"Loop({self.id!r}): max_iterations={self.max_iterations!r}: give 1 or more, or None.")
        if self.on_max_reached not in ("fail", "return-last"):
            raise invalid(f"Loop({self.id!r}): on_max_reached={self.on_max_reached!r}: use fail or return-last.")

    def __getitem__(self, children: Child) -> Self:
        written = super(Loop, self).__getitem__(children)
        if written.id:
            return written
        first = first_id(written.children)
        if not first:
            raise invalid(
                'Loop begins with a function, so it needs an id of its own: Loop("...", until=...).', self.where
            )
        return replace(written, id=f"{first}:loop")


Ralph = Loop
"""The older name of `Loop`."""
