"""The local Temporal server or its supervisor is killed. Workers live on, so no body may run twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

from tests.chaos import processes
from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.chaos.watching import Watched

ROUND = {"chain": 15, "fan": 6, "flaky": 1, "asked": True, "pause": "200ms", "alone": 1, "each_ms": 20}
Who = Literal["server_pid", "pid"]
"""What the supervisor calls the server and itself."""


def kill(here: Place, who: Who) -> float:
    """Returns when there is a server again, as there is without any help, and how long that took."""
    before, began = here.server(), time.monotonic()
    processes.kill(before[who])
    until(lambda: here.server()[who] != before[who], f"there is another {who}")
    return time.monotonic() - began


def kills(here: Place, whom: Sequence[Who], say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Kills one after the other in a run's work; what must not be."""
    command = here.up("storm", "r", rounds=len(whom), **ROUND)
    with Watched(here, "r") as watched:
        for who in whom:
            watched.wait_for_progress(20)
            away_s, began = kill(here, who), time.monotonic()
            watched.wait_for_progress()
            say(f"{who}: away for {away_s:.2f} s, progress after {time.monotonic() - began:.2f} s more")
        status = watched.wait_for_end(60 + 30 * len(whom))
        left = command.wait(30)
        found = watched.problems(most_extra=0)
    return found if (status, left) == ("finished", 0) else [*found, f"{status}, {left}: {here.told()}"]
