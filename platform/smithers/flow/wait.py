"""Nodes that wait for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

from smithers.flow.element import Child, Element, check_id, check_json, check_upstream
from smithers.flow.nothing import nothing
from smithers.flow.policy import Duration, duration
from smithers.flow.where import invalid

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Python's calendar ends a year later; in that one it depends on who looks where he is."""


class Fired(BaseModel):
    """The output of a timer: it fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer(Element):
    """Waits for a duration, or until a point in time (components-timer).

    The time at which it fires is fixed when its turn comes, and is kept: neither a render nor a restart begins it
    anew. One that lies in the past fires at once. In a loop each pass has a timer of its own.
    """

    id: str = field(kw_only=False)
    duration: Duration | None = None
    until: datetime | str | None = None
    """With a time zone; text is ISO 8601, such as `2027-01-31T09:00:00Z`."""
    depends_on: tuple[str, ...] | list[str] = ()
    """It begins to count when these are done."""
    needs: Mapping[str, str] = field(default_factory=nothing)
    """More ids to wait for, by any name."""
    skip_if: bool = False
    label: str = ""
    """By default `timer:<id>`."""
    meta: Mapping[str, Any] = field(default_factory=nothing)

    def __post_init__(self) -> None:
        check_id(self.id, "Timer")
        what = f"Timer({self.id!r})"
        if (self.duration is None) == (self.until is None):
            raise invalid(f"{what}: give either duration or until.")
        if self.duration is not None:
            duration(self.duration, f"{what}: duration")
        check_upstream(self.depends_on, self.needs, what)
        check_json(self.meta, f"{what}: meta")
        object.__setattr__(self, "until", moment(self.until, what))
        if not self.label:
            object.__setattr__(self, "label", f"timer:{self.id}")

    def __getitem__(self, children: Child) -> Timer:
        raise invalid(f"Timer({self.id!r}) takes no children: put what comes after it in a Sequence.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needs.values(), *self.depends_on)))

    @property
    def due_ms(self) -> int:
        """`until` in milliseconds since the epoch; 0 without one."""
        return round(self.until.timestamp() * 1000) if isinstance(self.until, datetime) else 0


def moment(until: datetime | str | None, what: str) -> datetime | None:
    """Raises `InvalidElement` for text that is no time, and for a time that means another one elsewhere, or is
    out of reach."""
    try:
        found = datetime.fromisoformat(until) if isinstance(until, str) else until
    except ValueError:
        raise invalid(f"{what}: until={until!r} is not a time: write it as 2027-01-31T09:00:00Z.") from None
    if found is not None and not isinstance(found, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise invalid(f"{what}: until={found!r:.60}: give a datetime with a time zone, or text.")
    if found is not None and found.tzinfo is None:
        raise invalid(f"{what}: until={until} has no time zone.")
    if found is not None and not EARLIEST <= found <= LATEST:
        raise invalid(f"{what}: until={until}: give a time in the years 1970 to 9998.")
    return found
