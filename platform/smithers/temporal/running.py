"""The bodies that run in this process, whoever waits for them.

A body runs on the thread of the step that began it. It may outlive that step's activity: Temporal gives an activity up
when heartbeats stay away (a sleeping laptop, a machine under load), and delivers it again, perhaps to this same
process. Then the redelivery attaches to the body that still runs. A thread cannot be killed, so a body that takes no
notice of its cancel flag is given up: its step goes on without it on another thread (`job.py`), and it stays in this
table until it returns, so that no later attempt of its task begins before.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from smithers.engine.command import Command
from smithers.engine.entry import Json
from smithers.flow.task_context import CancelFlag, StopReason
from smithers.flow.usage import Meter

SHUTDOWN_GRACE_S: Final = 1.0
Ended = Json
"""What an `ended` fact says of its body: outcome, output or error, ms. Outcomes that never get into a fact: `died`
(with its process), `stopped` (handed over)."""


class Superseded(BaseException):
    """This thread is too late: another one goes on with the same step."""


class Job(Protocol):
    def succeed(self) -> None:
        """Goes on with the step on another thread."""
        ...


@dataclass(slots=True, eq=False)
class Running:
    """One body, from its claim until its result is stored, or nobody wants it any more."""

    run_id: str
    command: Command
    nth: int
    """The claim that began it."""
    flag: CancelFlag
    job: Job | None = None
    """Whose thread it runs on."""
    meter: Meter = field(default_factory=Meter)
    """What it has reported: also for who goes on without it."""
    began: float = field(default_factory=time.monotonic)
    stopped_at: float = 0.0
    """When its flag was set; 0 is not yet."""
    ended: Ended | None = None
    given_up: bool = False
    """It took no notice of its flag for so long that its step goes on."""
    returned: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Lock = field(default_factory=threading.Lock)
    """Held until it has ended or was given up; a lock costs a third of an `Event`."""

    def __post_init__(self) -> None:
        self._over.acquire()

    @property
    def n(self) -> int:
        return self.command.n

    def run(self, work: Callable[[], Ended]) -> Ended:
        """On the calling thread. Raises `Superseded` if it was given up meanwhile."""
        ended = contextvars.Context().run(work)
        with self._lock:
            self.returned = True
            if self.given_up:
                raise Superseded
            self.ended = ended
            self._over.release()
        return ended

    def stop(self, reason: StopReason) -> None:
        if not self.flag.is_set:
            self.stopped_at = time.monotonic()
            self.flag.set(reason)

    def give_up(self) -> None:
        with self._lock:
            if self.given_up or self.returned:
                return
            self.given_up = True
            self._over.release()
        if self.job is not None:
            self.job.succeed()

    def wait(self) -> Ended | None:
        """Blocks until it ended; None if it was given up."""
        self._over.acquire()
        self._over.release()
        return self.ended

    def look(self, grace_s: float) -> None:
        """Keeps its deadline, and its patience. Called from time to time."""
        now, limit_ms = time.monotonic(), self.command.timeout_ms
        if limit_ms and now - self.began >= limit_ms / 1000:
            self.stop("deadline")
        if self.flag.is_set:
            self.stopped_at = self.stopped_at or now  # who runs the body alone keeps its deadline, too
            patience_s = SHUTDOWN_GRACE_S if self.flag.reason == "shutdown" else grace_s
            if now - self.stopped_at > patience_s:
                self.give_up()


class BodyTable:
    """All bodies of a process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Running] = {}
        self._left: list[Running] = []
        """Nobody waits for them, and they have not returned."""

    def put(self, running: Running) -> None:
        with self._lock:
            self._running[running.run_id, running.n] = running

    def get(self, run_id: str, n: int) -> Running | None:
        return self._running.get((run_id, n))

    def forget(self, running: Running) -> None:
        """Its result is in the log, or never will be."""
        with self._lock:
            if self._running.get((running.run_id, running.n)) is running:
                del self._running[running.run_id, running.n]
            if not running.returned:
                self._left.append(running)

    def others(self, run_id: str, command: Command) -> list[Running]:
        """Bodies of the same task under other numbers, or left behind, which have not returned."""
        if not self._left and not self._running:
            return []
        with self._lock:
            self._left = [one for one in self._left if not one.returned]
            every = [*self._left, *(one for one in self._running.values() if one.n != command.n)]
        key = (run_id, command.node, command.iteration)
        same = [one for one in every if (one.run_id, one.command.node, one.command.iteration) == key]
        return [one for one in same if not one.returned]

    def every(self) -> list[Running]:
        with self._lock:
            return list(self._running.values())

    def __len__(self) -> int:
        return len(self._running)
