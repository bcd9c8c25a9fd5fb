"""Nodes that wait for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from smithers.flow.element import Child, Element, check_id
from smithers.flow.policy import Duration, duration
from smithers.flow.where import invalid


class Fired(BaseModel):
    """The output of a timer: it fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer(Element):
    """Waits for a duration, or until a point in time (components-timer)."""

    id: str = field(kw_only=False)
    duration: Duration | None = None
    until: datetime | None = None
    depends_on: tuple[str, ...] | list[str] = ()
    skip_if: bool = False
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        check_id(self.id, "Timer")
        if (self.duration is None) == (self.until is None):
            raise invalid(f"Timer({self.id!r}): give either duration or until.")
        if self.duration is not None:
            duration(self.duration, f"Timer({self.id!r}): duration")
        if self.until is not None and self.until.tzinfo is None:
            raise invalid(f"Timer({self.id!r}): until={self.until} has no time zone.")

    def __getitem__(self, children: Child) -> Timer:
        raise invalid(f"Timer({self.id!r}) takes no children: put what comes after it in a Sequence.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(self.depends_on)
