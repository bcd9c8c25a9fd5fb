"""Processes that ran a worker end, again and again: with the right status, and without a word of a crash at exit."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.place import Place

BAD = ("Traceback", "Fatal Python error", "Segmentation fault", "core dumped", "panicked", "starting it again")


@dataclass
class Exits:
    statuses: list[int] = field(default_factory=list[int])
    taken_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])

    def summary(self) -> str:
        taken = f"{statistics.median(self.taken_s):.2f} s each (median), longest {max(self.taken_s):.2f} s"
        right = sum(status == 0 for status in self.statuses)
        return f"{len(self.statuses)} exits, {right} of them with status 0, {taken}; {len(self.problems)} problems"


def exits(place: Place, times: int, say: Callable[[str], None] = lambda _: None) -> Exits:
    place.hold_server()
    place.plant("hello")
    found = Exits()
    for number in range(times):
        began = time.monotonic()
        done = place.call("up", "hello.py", "--format", "json")
        found.statuses.append(done.status)
        found.taken_s.append(time.monotonic() - began)
        said = [word for word in BAD if word in done.err]
        if done.status != 0 or said or greeting(done.out) != "Hello, world!":
            found.problems.append(f"exit {number} has status {done.status}: {done.out[-500:]} {done.err[-2000:]}")
        if number % 20 == 19:
            say(found.summary())
    return found


def greeting(out: str) -> str:
    try:
        return json.loads(out)["output"]["text"]
    except (ValueError, KeyError, TypeError):
        return ""
