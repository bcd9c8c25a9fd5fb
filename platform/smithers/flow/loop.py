"""A loop runs its body again until a condition holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from smithers.flow.deadline import Timed
from smithers.flow.element import check_id
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

    id: str = field(kw_only=False)
    until: bool | Callable[[], bool] | Callable[[Turn], bool]
    max_iterations: int | None = 5
    """None is endless."""
    on_max_reached: Literal["fail", "return-last"] = "return-last"
    skip_if: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        check_id(self.id, "Loop")
        self.check_timeout()
        if self.max_iterations is not None and self.max_iterations < 1:
            raise invalid(f"Loop({self.id!r}): max_iterations={self.max_iterations}: give 1 or more, or None.")
        if self.on_max_reached not in ("fail", "return-last"):
            raise invalid(f"Loop({self.id!r}): on_max_reached={self.on_max_reached!r}: use fail or return-last.")


Ralph = Loop
"""The older name of `Loop`."""
