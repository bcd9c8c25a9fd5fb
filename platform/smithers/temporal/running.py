"""The bodies that run in this process, whoever waits for them.

A body may outlive its activity: Temporal gives an activity up when heartbeats stay away (a sleeping laptop, a machine
under load), and delivers it again, perhaps to this same process. Then the redelivery attaches to the body that still
runs. A thread cannot be killed, so a body that takes no notice of its cancel flag stays in this table until it
returns, and no later attempt of its task begins before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from smithers.engine.command import Command
from smithers.engine.entry import Json
from smithers.flow.task_context import CancelFlag, StopReason
from smithers.temporal.errands import Errand, Errands

LOOK_EVERY_S: Final = 0.25
SHUTDOWN_GRACE_S: Final = 1.0
Ended = Json
"""What an `ended` fact says of its body: outcome, output or error, ms. Outcomes that never get into a fact: `died`
(with its process), `stopped` (handed over)."""


@dataclass(slots=True, eq=False)
class Running:
    """One body, from its claim until its result is stored, or nobody wants it any more."""

    run_id: str
    command: Command
    nth: int
    """The claim that began it."""
    flag: CancelFlag
    errand: Errand[Ended]
    began: float = field(default_factory=time.monotonic)
    stopped_at: float = 0.0
    """When its flag was set; 0 is not yet."""

    @property
    def n(self) -> int:
        return self.command.n

    def stop(self, reason: StopReason) -> None:
        if not self.flag.is_set:
            self.stopped_at = time.monotonic()
            self.flag.set(reason)

    def outcome(self, grace_s: float) -> Ended | None:
        """Blocks until it returned. None when it took no notice of its flag for so long that the step goes on."""
        limit_ms = self.command.timeout_ms
        late = self.began + limit_ms / 1000 if limit_ms else None
        while not self.errand.wait(self.next_look(late)):
            now = time.monotonic()
            if late is not None and now >= late:
                self.stop("deadline")
            if self.flag.is_set:
                patience = SHUTDOWN_GRACE_S if self.flag.reason == "shutdown" else grace_s
                if now - self.stopped_at > patience:
                    return None
        return self.errand.result()

    def next_look(self, late: float | None) -> float:
        if late is None or self.flag.is_set:
            return LOOK_EVERY_S
        return max(0.001, min(LOOK_EVERY_S, late - time.monotonic()))


class BodyTable:
    """All bodies of a process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Running] = {}
        self._left: list[Running] = []
        """Nobody waits for them, and they have not returned."""
        self._errands = Errands("body")

    def start(self, run_id: str, command: Command, nth: int, flag: CancelFlag, work: Callable[[], Ended]) -> Running:
        running = Running(run_id, command, nth, flag, self._errands.start(work))
        with self._lock:
            self._running[run_id, command.n] = running
        return running

    def get(self, run_id: str, n: int) -> Running | None:
        return self._running.get((run_id, n))

    def forget(self, running: Running) -> None:
        """Its result is in the log, or never will be."""
        with self._lock:
            if self._running.get((running.run_id, running.n)) is running:
                del self._running[running.run_id, running.n]
            if not running.errand.is_done:
                self._left.append(running)

    def others(self, run_id: str, command: Command) -> list[Running]:
        """Bodies of the same task under other numbers, or left behind, which have not returned."""
        if not self._left and not self._running:
            return []
        with self._lock:
            self._left = [one for one in self._left if not one.errand.is_done]
            every = [*self._left, *(one for one in self._running.values() if one.n != command.n)]
        key = (run_id, command.node, command.iteration)
        same = [one for one in every if (one.run_id, one.command.node, one.command.iteration) == key]
        return [one for one in same if not one.errand.is_done]

    def every(self) -> list[Running]:
        with self._lock:
            return list(self._running.values())

    def __len__(self) -> int:
        return len(self._running)
