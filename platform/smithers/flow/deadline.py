"""A time limit on a whole group or loop, and the race of several groups against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from smithers.flow.element import Bracketed, Element
from smithers.flow.guard import Guard
from smithers.flow.policy import Duration, check_comes, duration
from smithers.flow.wait import Timer
from smithers.flow.where import invalid

OnTimeout = Literal["fail", "skip", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Element):
    """What groups and loops share: they may have a time limit.

    It counts from when the group begins, by a durable timer that people see as the node `ID:timeout`, with the group's
    id or that of the first node in it. When it is over, what is in flight below is cancelled and waited for, cleanups
    included. Then the group fails with the code `GROUP_TIMEOUT` (`fail`); or the workflow goes on: with the outputs
    that are there (`continue`), or as if the group had been skipped, so that who needs any of its outputs is skipped
    too (`skip`).
    """

    timeout: Duration | None = None
    on_timeout: OnTimeout = "fail"

    def check_timeout(self) -> None:
        kind = type(self).__name__
        if self.on_timeout not in get_args(OnTimeout):
            raise invalid(f"{kind}: on_timeout={self.on_timeout!r}: use one of {', '.join(get_args(OnTimeout))}.")
        check_comes(self.on_timeout, self.timeout, kind)
        if self.timeout is not None and not duration(self.timeout, f"{kind}: timeout"):
            raise invalid(f"{kind}: timeout={self.timeout!r} leaves no time at all: give more, or None for no limit.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline(Guard):
    """A group with a time limit, as the engine sees it. Not for authors: they give a group a `timeout`."""

    group: Element
    span: Duration
    on_late: OnTimeout | Literal["warn"]

    @classmethod
    def around(cls, group: Timed) -> Deadline:
        inner = replace(group, timeout=None, on_timeout="fail")
        skip: bool = getattr(group, "skip_if", False)
        assert group.timeout is not None
        return cls(
            id=getattr(group, "id", ""),
            group=group,
            span=group.timeout,
            on_late=group.on_timeout,
            children=(inner,),
            skip_if=skip,
            where=group.where,
        )

    @property
    def first(self) -> str:
        """The group's id, or that of the first node in it."""
        return self.name.removesuffix(":deadline")

    def timer(self, round: int) -> Timer:
        """The node that waits. Every round has one of its own: one that has fired does not fire again."""
        again = f":{round + 1}" if round else ""
        return Timer(f"{self.first}:timeout{again}", duration=self.span, where=self.where)

    @property
    def kind(self) -> str:
        return type(self.group).__name__

    @property
    def late(self) -> dict[str, Any]:
        """What the group fails with, where its author wants that."""
        message = f"{self.kind}({self.first!r}) has taken longer than its timeout, {self.span}"
        return {"code": "GROUP_TIMEOUT", "message": message, "retryable": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Race(Guard, metaclass=Bracketed):
    """Starts all its children; the first that is done wins, and the others are cancelled and waited for.

    `Race[Approval("ask"), Timer("late", duration="1h")]`. Among several that are done at once, the first in the source
    wins. A child that fails does not end the race as long as another may win; if none does, the race fails with the
    first failure. A task that was skipped does not win. Who needs an output of a child that lost is skipped, unless it
    had one already.
    """

    def __post_init__(self) -> None:
        Guard.__post_init__(self)
