"""A worker is stopped in the middle of its work, and goes on when others have taken over, or were about to."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.chaos import processes
from tests.chaos.place import Place
from tests.chaos.watching import Watched

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Another machine, as far as processes can see each other."""
GIVEN = {"rounds": 2, "chain": 25, "fan": 10, "alone": 1, "each_ms": 50}
Until = Callable[[Watched], object]


def stopped_at(place: Place, node: str, until: Until, *, elsewhere: bool = False, zombies: bool = False) -> list[str]:
    """Stops the worker at a body of a node, begins another, and lets the first go on at some time. What must not be."""
    place.hold_server()
    first = place.up("storm", "r", before=NAMESPACE if elsewhere else (), **GIVEN)
    with Watched(place, "r", zombies=zombies) as watched:
        watched.wait_for_line(node)
        worker = place.worker_of(first)
        processes.kill(worker.pid, number=signal.SIGSTOP)
        cut_off = watched.in_flight() if zombies else 0
        second = place.resume("r")
        until(watched)
        processes.kill(worker.pid, number=signal.SIGCONT)
        status = watched.wait_for_end(90)
        ends = [status, first.wait(30), second.wait(30)]
        found = watched.problems(most_extra=cut_off)
    return found if ends == ["finished", 0, 0] else [*found, f"{ends}: {place.told()}"]
