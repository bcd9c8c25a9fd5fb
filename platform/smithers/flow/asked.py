"""What every question to people may have besides itself: reminders, and others who may decide it after a while."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from smithers.flow.element import Element
from smithers.flow.policy import UNLIMITED, Duration, duration
from smithers.flow.where import invalid


@dataclass(frozen=True, slots=True)
class End:
    """When nobody is asked any more, and the property that says so."""

    after: timedelta
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Element):
    """What `Approval`, `HumanTask` and a `Task` with `needs_approval` share.

    Both times are durable timers and count from when the question is asked; each time it is asked, they begin anew.
    """

    remind_after: Duration | None = None
    """People are reminded when nobody has answered for so long, and then again after as long. The project's notice hook
    is told, and whoever looks at the question sees it."""
    reminders: int = 1
    """How often, at most; `UNLIMITED` for no end."""
    escalate_after: Duration | None = None
    """When nobody has answered for so long, others may decide as well, and the notice hook is told."""
    escalate_to: Sequence[str] | None = None
    """Users who may decide from then on, whatever `allowed_users` and `allowed_scopes` say. Where everybody may decide
    anyway, they are only named."""
    escalate_to_scopes: Sequence[str] | None = None
    """Who has one of these scopes may decide from then on, too."""

    def check_asking(self, what: str, timeout: Duration | None = None, name: str = "timeout") -> None:
        """Raises `InvalidElement` for times and people that contradict each other, or the time the question lasts;
        `name` is that of the property that says how long it lasts."""
        reminders: Any = self.reminders
        if isinstance(reminders, bool) or not isinstance(reminders, int) or (reminders < 1 and reminders != UNLIMITED):
            raise invalid(f"{what}: reminders={reminders!r}: give how often, 1 or more, or UNLIMITED.")
        end = None if timeout is None else End(duration(timeout, f"{what}: {name}"), name)
        if self.remind_after is not None:
            check_reminders(self.remind_after, max(1, reminders), what, end)
        elif reminders != 1:
            raise invalid(f"{what}: reminders={reminders} needs remind_after: say after how long.")
        self.check_escalation(what, end)

    def check_escalation(self, what: str, end: End | None) -> None:
        check_people(self.escalate_to, f"{what}: escalate_to")
        check_people(self.escalate_to_scopes, f"{what}: escalate_to_scopes")
        named = self.escalate_to is not None or self.escalate_to_scopes is not None
        if self.escalate_after is None:
            if named:
                name = "escalate_to" if self.escalate_to is not None else "escalate_to_scopes"
                raise invalid(f"{what}: {name} needs escalate_after: say after how long.")
            return
        if not named:
            raise invalid(f"{what}: escalate_after needs escalate_to or escalate_to_scopes: say who may decide then.")
        span = time_to(self.escalate_after, f"{what}: escalate_after")
        if end is not None and span >= end.after:
            raise invalid(
                f"{what}: escalate_after={self.escalate_after!r} never comes: nobody is asked any more after "
                f"{end.name}, {end.after}."
            )

    @property
    def is_followed_up(self) -> bool:
        """Whether any of this was given."""
        given = (self.remind_after, self.escalate_after, self.escalate_to, self.escalate_to_scopes)
        return self.reminders != 1 or any(one is not None for one in given)


def check_reminders(after: Duration, count: int, what: str, end: End | None) -> None:
    last = time_to(after, f"{what}: remind_after") * count
    if end is not None and last >= end.after:
        which = "the reminder" if count == 1 else f"the last of {count} reminders"
        raise invalid(
            f"{what}: {which} would come after {last}, but nobody is asked any more after {end.name}, {end.after}: "
            "remind earlier, or less often."
        )


def check_newcomers(asked: Asked, users: Sequence[str] | None, scopes: Sequence[str] | None, what: str) -> None:
    """Raises `InvalidElement` where those who are to decide later may all decide from the beginning."""
    if users is None or scopes is not None or asked.escalate_to is None or asked.escalate_to_scopes is not None:
        return
    if set(asked.escalate_to) <= set(users):
        raise invalid(f"{what}: everybody in escalate_to is in allowed_users already: name somebody else.")


def time_to(value: Duration, what: str) -> timedelta:
    span = duration(value, what)
    if not span:
        raise invalid(f"{what}={value!r} leaves no time to answer.")
    return span


def check_people(names: Iterable[object] | None, what: str) -> None:
    """Raises `InvalidElement` for a single text, which would be read letter by letter, and for nobody at all."""
    if names is None:
        return
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise invalid(f"{what}={names!r}: give a list of names.")
    if not list(names):
        raise invalid(f"{what} is empty, so that nobody may decide: leave it out, or name somebody.")
