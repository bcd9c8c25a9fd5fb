"""Durations and retry policies, as an author writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final, Literal

from smithers.flow.element import Written
from smithers.flow.where import invalid

UNLIMITED: Final = -1
"""As `retries`: try again for ever."""
UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST: Final = timedelta(days=36_525)
"""A hundred years. Clocks, calendars and timers end at some point beyond it."""
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
Duration = timedelta | str
Backoff = Literal["fixed", "linear", "exponential"]


def duration(value: Duration, what: str) -> timedelta:
    """Reads `"30s"`, `"5m"`, `"1h30m"` or a timedelta. Raises `InvalidElement` for anything else, for negatives, and
    for more than a hundred years."""
    if isinstance(value, timedelta):
        span = value
    elif not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
        raise invalid(f'{what}={value!r:.60} has no unit: write a timedelta, or text such as "30s", "5m".')
    else:
        read = written(value)
        if read is None:
            raise invalid(f'{what}={value!r} is not a duration: write a timedelta, or text such as "30s", "5m".')
        span = read
    if span < timedelta():
        raise invalid(f"{what}={value!r} is negative: a duration is zero or more.")
    if span > LONGEST:
        raise invalid(
            f"{what}={value!r:.60} is more than a hundred years: give less, or None where there is to be no end."
        )
    return span


def check_comes(on_timeout: str, timeout: Duration | None, what: str, name: str = "timeout") -> None:
    """Refuses what is to happen once a time is over that has no limit. Raises `InvalidElement`."""
    if timeout is None and on_timeout != "fail":
        raise invalid(f"{what}: on_{name}={on_timeout!r} never comes: say after how long with {name}.")


@lru_cache
def written(text: str) -> timedelta | None:
    """What a text such as `"1h30m"` says; None where it says nothing. Renderings read the same few again and again."""
    pieces = DURATION.findall(text)
    if not pieces or DURATION.sub("", text).strip():
        return None
    seconds = sum(float(number) * UNITS[unit] for number, unit in pieces)
    return timedelta(seconds=min(seconds, 2 * LONGEST.total_seconds()))


def milliseconds(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))


GROWTH: Final[dict[Backoff, Callable[[int], float]]] = {
    "fixed": lambda _: 1,
    "linear": lambda failures: failures,
    "exponential": lambda failures: 2.0 ** min(failures - 1, 40),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy(metaclass=Written):
    """How long to wait before the next attempt (components-task: retryPolicy). Capped at `max_delay`."""

    backoff: Backoff = "exponential"
    initial_delay: Duration = "1s"
    max_delay: Duration = "5m"
    jitter: float = 0.1
    """Share of the delay that may be added, so that many failures do not come back at once."""

    def __post_init__(self) -> None:
        if self.backoff not in GROWTH:
            raise invalid(f"backoff={self.backoff!r} is unknown: use one of {', '.join(GROWTH)}.")
        first = duration(self.initial_delay, "RetryPolicy: initial_delay")
        most = duration(self.max_delay, "RetryPolicy: max_delay")
        if first > most:
            raise invalid(
                f"RetryPolicy: initial_delay, {first}, is more than max_delay, {most}: give a larger max_delay."
            )
        if not 0 <= self.jitter <= 1:
            raise invalid(f"jitter={self.jitter!r}: give the share of the delay that may be added, 0 to 1.")

    def delay_ms(self, failures: int, chance: float) -> int:
        """Milliseconds before the attempt that follows `failures` failed ones; `chance` is in [0, 1)."""
        first = milliseconds(duration(self.initial_delay, "initial_delay"))
        most = milliseconds(duration(self.max_delay, "max_delay"))
        return round(min(first * GROWTH[self.backoff](failures), most) * (1 + self.jitter * chance))
