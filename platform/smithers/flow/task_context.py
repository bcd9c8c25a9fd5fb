"""What a task's function is told about its attempt, and what it can say while it runs.

A function gets it by asking: a parameter annotated `TaskContext` is filled in. Like all of `flow` it is pure: clock,
cancel flag and the place where lines go are handed in by whoever runs the body.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from smithers.errors import TaskCancelled, TaskTimeout
from smithers.flow.usage import Meter, reported

StopReason = Literal["cancel", "deadline", "shutdown"]


class LineSink(Protocol):
    """Where the lines of one task go. Safe to call from any thread."""

    def write(self, stream: str, text: str, /) -> None:
        """`stream` is stdout, stderr, log or progress; `text` is one line, without its end."""
        ...


class CancelFlag:
    """Says that a body should stop, and why. It is set once, from any thread, and never cleared."""

    __slots__ = ("_callbacks", "_lock", "_reason")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: StopReason | None = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def reason(self) -> StopReason | None:
        """Why; None while the body may go on. The first reason stays."""
        return self._reason

    @property
    def is_set(self) -> bool:
        return self._reason is not None

    def set(self, reason: StopReason = "cancel") -> None:
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Blocks until the flag is set, at most for `timeout`; returns whether it is."""
        event = threading.Event()  # made only here: few bodies wait, and every body has a flag
        forget = self.on_set(event.set)
        try:
            return event.wait(None if timeout is None else timeout.total_seconds())
        finally:
            forget()

    def on_set(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Calls back once: in the setting thread, or at once if it is set already. Returns how to take it back."""
        with self._lock:
            if self._reason is None:
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], object]) -> None:
        with self._lock, suppress(ValueError):
            self._callbacks.remove(callback)


@dataclass(frozen=True, slots=True)
class TaskLog:
    """Lines for people, kept with the task. Messages take `%` arguments, as those of `logging` do."""

    sink: LineSink

    def debug(self, message: object, *args: object) -> None:
        self._write("DEBUG", message, args)

    def info(self, message: object, *args: object) -> None:
        self._write("INFO", message, args)

    def warning(self, message: object, *args: object) -> None:
        self._write("WARNING", message, args)

    def error(self, message: object, *args: object) -> None:
        self._write("ERROR", message, args)

    def _write(self, level: str, message: object, args: tuple[object, ...]) -> None:
        text = str(message)
        if args:
            try:
                text %= args
            except (TypeError, ValueError):  # a slip in a log line is no reason to fail a task
                text = f"{text} {args!r}"
        for line in f"{level} {text}".splitlines():
            self.sink.write("log", line)


@dataclass(frozen=True, slots=True)
class TaskContext:
    """One attempt of one task."""

    run_id: str
    node_id: str
    iteration: str
    """Which passes of the loops around the task: `2`, in nested loops `2.1`; empty outside loops."""
    attempt: int
    """From 1; the author's retries raise it."""
    delivery: int
    """From 1; raised when this attempt begins again because its worker was lost. Look before you act if it is not 1."""
    deadline: datetime | None
    """When this attempt must have ended; None is never."""
    clock: Callable[[], datetime]
    flag: CancelFlag
    sink: LineSink
    meter: Meter = field(default_factory=Meter)
    """Adds up what the attempt reports with `usage`."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and delivery of this piece of work: give it to services that deduplicate."""
        return f"{self.run_id}:{self.node_id}:{self.iteration}"

    def time_left(self) -> timedelta | None:
        """Until the deadline, never negative; None where there is none."""
        return None if self.deadline is None else max(self.deadline - self.clock(), timedelta())

    @property
    def cancelled(self) -> bool:
        """Whether the task should stop: cancelled by a person, past its deadline, or its worker shuts down."""
        return self.flag.is_set

    def raise_if_cancelled(self) -> None:
        """Raises `TaskCancelled`, or `TaskTimeout` past the deadline. Call it in long loops."""
        if self.flag.reason == "deadline":
            raise TaskTimeout
        if self.flag.reason is not None:
            raise TaskCancelled

    async def wait_cancelled(self) -> None:
        """Returns once the task should stop.

        An async body is cancelled by itself; this is for loops which a body runs on its own.
        """
        import asyncio  # costs 30 ms, which a workflow file without async work need not pay

        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed in between
                loop.call_soon_threadsafe(woken.set)

        forget = self.flag.on_set(wake)
        try:
            await woken.wait()
        finally:
            forget()

    def progress(self, done: float | str, text: str = "") -> None:
        """Tells people how far it is: a fraction from 0 to 1, a text, or both."""
        if isinstance(done, str):
            self.sink.write("progress", done)
        else:
            self.sink.write("progress", f"{min(max(done, 0.0), 1.0):.0%} {text}".rstrip())

    def usage(self, *, input_tokens: int = 0, output_tokens: int = 0, cost_usd: float = 0.0) -> None:
        """Reports what a call to a model has used. Reports add up; they are kept with the attempt, however it ends.

        Raises `BudgetExceeded` where the attempt has used more than the `Aspects` around it give one task.
        """
        self.meter.add(reported(input_tokens, output_tokens, cost_usd))

    @property
    def log(self) -> TaskLog:
        return TaskLog(self.sink)
