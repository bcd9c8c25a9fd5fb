"""Nodes that wait: for a person, or for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from smithers.flow.element import Child, Element, check_id
from smithers.flow.policy import Duration, duration
from smithers.flow.where import invalid


class Decision(BaseModel):
    """What a person decided (components-approval: approvalDecisionSchema)."""

    approved: bool
    note: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    """Kept for compatibility, always None: the time is in the log."""


class Fired(BaseModel):
    """The output of a timer: it fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Element):
    """Waits until a person approves or denies (components-approval). Its output is a `Decision`."""

    id: str = field(kw_only=False)
    title: str = ""
    summary: str = ""
    on_deny: Literal["fail", "continue", "skip"] = "fail"
    depends_on: tuple[str, ...] | list[str] = ()
    continue_on_fail: bool = False
    skip_if: bool = False
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        check_id(self.id, "Approval")
        if self.on_deny not in ("fail", "continue", "skip"):
            raise invalid(f"Approval({self.id!r}): on_deny={self.on_deny!r}: use fail, continue or skip.")

    def __getitem__(self, children: Child) -> Approval:
        raise invalid(f"Approval({self.id!r}) takes no children: put what it guards after it in a Sequence.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(self.depends_on)


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


Leaf = Approval | Timer
