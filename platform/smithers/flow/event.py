"""Nodes that wait for something from outside: an event that somebody sends to the run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel

from smithers.flow.element import Child, Element, Part, captured, check_id, check_json, check_upstream
from smithers.flow.nothing import nothing
from smithers.flow.policy import Duration, check_comes, duration
from smithers.flow.task import check_model
from smithers.flow.where import invalid

M = TypeVar("M", bound=BaseModel)
OnTimeout = Literal["fail", "skip", "continue"]
LONGEST_NAME: Final = 200
"""Of an event's name and of a correlation id, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForEvent(Element, Generic[M]):
    """Waits until a matching event is sent to the run (components-wait-for-event). Its output is the payload.

    An event that comes early is kept and taken by the first wait that matches. Each event is taken once.
    """

    id: str = field(kw_only=False)
    event: str = ""
    """Name of the event, compared as it is; required."""
    output: type[M]
    """Model of the payload: a JSON object, with types as they are written (a text is not a number)."""
    correlation_id: str | None = None
    """Takes only events with this very id; None takes any."""
    timeout: Duration | None = None
    """How long to wait, from the moment its turn comes; None is for ever."""
    on_timeout: OnTimeout = "fail"
    """`skip` counts as done, and who needs the payload is skipped; `continue` has the model's defaults as output."""
    async_: bool = False
    """What comes after it may go on while it waits; who depends on it or reads its output does not."""
    skip_if: bool = False
    depends_on: tuple[str, ...] | list[str] = ()
    needs: Mapping[str, str] = field(default_factory=nothing)
    """Named dependencies: `{name: id}`. They order only."""
    label: str = ""
    """By default `wait:<event>`."""
    meta: Mapping[str, Any] = field(default_factory=nothing)

    def __post_init__(self) -> None:
        self.check(type(self).__name__)
        if not self.label:
            object.__setattr__(self, "label", f"wait:{self.event}")

    def check(self, component: str) -> None:
        check_id(self.id, component)
        what = f"{component}({self.id!r})"
        check_name(self.event, f"{what}: event")
        if self.correlation_id is not None:
            check_name(self.correlation_id, f"{what}: correlation_id")
        check_model(self.output, f"{what}: output")
        check_upstream(self.depends_on, self.needs, what)
        check_json(self.meta, f"{what}: meta")
        if self.timeout is not None:
            duration(self.timeout, f"{what}: timeout")
        if self.on_timeout not in get_args(OnTimeout):
            raise invalid(f"{what}: on_timeout={self.on_timeout!r}: use fail, skip or continue.")
        check_comes(self.on_timeout, self.timeout, what)
        if self.on_timeout == "continue":
            check_defaults(self.output, what)

    def __getitem__(self, children: Child) -> Any:
        raise invalid(f"WaitForEvent({self.id!r}) takes no children: put what comes after it in a Sequence.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needs.values(), *self.depends_on)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(WaitForEvent[M]):
    """A wait for the event that has the node's id as its name (components-signal).

    With a function as its child, `Signal("feedback", output=Feedback)[render]`, that is called with the payload once
    it is there, and what it returns takes its place after the signal. With `on_timeout="continue"` it is called with
    the model's defaults; where the wait is skipped it is not called.
    """

    event: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "event", self.id)
        self.check("Signal")
        if not self.label:
            object.__setattr__(self, "label", f"signal:{self.id}")

    def __getitem__(self, children: Child) -> Signal[M]:
        if self.children:
            raise invalid(f"Signal({self.id!r}) has a child already.")
        if isinstance(children, Element | Part | type) or not callable(children) or not takes_one(children):
            raise invalid(
                f"Signal({self.id!r}) got {children!r:.60} as a child: give one function, which is called with the "
                "payload. What needs none goes after the signal in a Sequence."
            )
        return replace(self, children=(Part(children, captured(children)),))

    @property
    def child(self) -> Part | None:
        """What renders once the payload is there."""
        return next((child for child in self.children if isinstance(child, Part)), None)


def check_name(name: object, what: str) -> None:
    """Raises `InvalidElement` unless it is a text that a person can type."""
    if not isinstance(name, str) or not name.strip() or name != name.strip() or not name.isprintable():
        raise invalid(f"{what}={name!r}: give a text without blanks at its ends, such as 'deploy.completed'.")
    if len(name) > LONGEST_NAME:
        raise invalid(f"{what} has {len(name)} characters, at most {LONGEST_NAME}.")


def check_defaults(model: type[BaseModel], what: str) -> None:
    missing = [name for name, one in model.model_fields.items() if one.is_required()]
    if missing:
        raise invalid(
            f"{what}: with on_timeout='continue' the output is {model.__name__} without any data, but "
            f"{', '.join(missing)} would be missing. Give them defaults, or use skip."
        )


def takes_one(function: Any) -> bool:
    """Whether it can be called with the payload alone."""
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True
