"""The places at which a process may be made to die, for tests that crash it at every one of them.

Every commit, every fact that is appended, every order that a driver gives out and every command that a step carries out
stands between two points, `PLACE.before` and `PLACE.after`; `tests/crash/points.py` holds the code to that. A process
that finds

    SMITHERS_CRASH_AT=POINT[:NTH][@FILE]      such as fact.ended.after, commit.before:3, body.after@/tmp/died

in its environment kills itself, as `kill -9` would, when it passes that point for the n-th time (1 by default). With a
FILE it does so only if it is the one who makes that file: of all processes that inherit the variable one dies, once.

Where nothing is armed a point costs one look at `armed`. So the calls stand below `if faults.armed:`, and do not look
themselves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from smithers.engine.command import CommandKind
from smithers.engine.entry import Kind
from smithers.errors import InputError

VARIABLE: Final = "SMITHERS_CRASH_AT"
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "fact": get_args(Kind),
    "order": tuple(kind for kind in get_args(CommandKind) if kind != "turn"),
    "step": ("run", "child", "timer", "subflow", "stop"),
    "delivery": ("step", "fetch"),
}
"""Places of which there is one for each kind of thing."""
SINGLE: Final[dict[str, str]] = {
    "schema": "the tables are made",
    "commit": "a transaction is committed",
    "body": "the author's code runs",
    "spool": "a result is written to disk before the store has it",
    "ring": "a driver is woken, or started",
    "continue": "a driver continues as new: the latter point is passed by the new one",
    "takeover": "a step of a dead process is handed on",
}
PLACES: Final = (*SINGLE, *(f"{family}.{kind}" for family, kinds in FAMILIES.items() for kind in kinds))
POINTS: Final = tuple(f"{place}.{side}" for place in PLACES for side in ("before", "after"))

armed: bool = False
"""Whether points count. Looked at by whoever stands at one."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where this process dies. `nth` counts from 1; without a `point` it only counts."""

    point: str
    nth: int = 1
    file: str = ""

    @classmethod
    def read(cls, text: str) -> Crash:
        """Raises `InputError` for a point that is not in the registry, and for a number that is none."""
        spec, _, file = text.partition("@")
        point, _, nth = spec.partition(":")
        if point not in POINTS:
            raise InputError(f"{VARIABLE}={text!r}: there is no point {point!r}. There are: {', '.join(POINTS)}.")
        if nth and not (nth.isdecimal() and int(nth)):
            raise InputError(f"{VARIABLE}={text!r}: {nth!r} is not a number from 1. Write POINT:NTH.")
        return cls(point, int(nth or 1), file)


_crash: Crash = Crash("")
_passed: Final[Counter[str]] = Counter()
_lock: Final = threading.Lock()


def arm(crash: Crash) -> None:
    """From now on points are counted, and the process dies at the one that is named."""
    global armed, _crash
    _crash, armed = crash, True


def before(family: str, kind: str = "") -> None:
    passed(f"{family}.{kind}.before" if kind else f"{family}.before")


def after(family: str, kind: str = "") -> None:
    passed(f"{family}.{kind}.after" if kind else f"{family}.after")


def passed(point: str) -> None:
    """Counts, and dies if it is time. Raises `KeyError` for a point that is not in the registry."""
    if point not in POINTS:
        raise KeyError(point)
    with _lock:
        _passed[point] += 1
        if point == _crash.point and _passed[point] == _crash.nth and _is_first(_crash.file):
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # the signal may be a moment late; nothing happens after the point


def tally() -> dict[str, int]:
    """How often each point was passed by this process since it was armed."""
    with _lock:
        return dict(_passed)


def _is_first(file: str) -> bool:
    if not file:
        return True
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def _begin(environment: Mapping[str, str]) -> None:
    if text := environment.get(VARIABLE):
        arm(Crash.read(text))


_begin(os.environ)
