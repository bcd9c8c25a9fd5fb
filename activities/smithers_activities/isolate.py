"""Runs one task alone in a process of its own, which can be stopped and may die.

The child is `python -m smithers.worker.isolated FD`, leader of its own session. It reads one job from stdin, loads the
author's code, and sends JSON lines on the descriptor FD: `{"line": [stream, text]}` as they come, then one
`{"ended": {...}}`. Its stdout and stderr are pipes, so what C code and the task's own child processes print is kept,
too.

It cannot outlive us: the kernel kills it when the thread that started it ends. What the body has started cannot either:
a guard, a process that does nothing else, waits for our end and then kills the whole group. To stop a body we send
SIGTERM to the group (the child sets the cancel flag and throws `Stopped` into a sync body), and SIGKILL after a grace.
When the body has ended, whatever it left running in its group is killed.

A body that was asked to stop may end in any way: what it had started gets the SIGTERM as well, and a coroutine that
waits for that may see it end before it sees its own flag. So why it ended is for us to say, who asked; the child says
what came of it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from smithers.errors import BodyDied, TaskTimeout
from smithers.flow.body import TaskBody
from smithers.flow.task_context import TaskContext
from smithers.flow.usage import Usage
from smithers_activities.capture import kept
from smithers_activities.compute import Outcome, stopped, with_usage
from smithers_activities.lines import TaskLines

GRACE: Final = timedelta(seconds=2)
"""Between asking a body to stop and killing it."""
CHILD: Final = "smithers.worker.isolated"
LOOK_EVERY_S: Final = 0.1
"""How long a cancel or a death may go unseen."""
LAST_WORDS_S: Final = 1.0
"""How long pipes are read after the body has ended: somebody else may hold them open."""
CHUNK_BYTES: Final = 1 << 16

GUARD: Final = "import os, sys\nif not os.read(0, 1): os.killpg(int(sys.argv[1]), 9)"
"""Waits until nobody holds the other end of its stdin any more."""

Job = dict[str, Any]
"""What the child is told; `smithers.worker.isolated` writes and reads it."""


def run(job: Job, body: TaskBody, context: TaskContext, *, grace: timedelta = GRACE) -> Outcome:
    """Runs a body in a new process to its end, to its deadline, or until the flag is set.

    Raises `BodyDied` if the process ends without an answer and without having been asked to stop.
    """
    lines = context.sink if isinstance(context.sink, TaskLines) else kept(context.sink)
    begin = time.perf_counter()
    child = Child.started(lines)
    try:
        child.send(job)
        child.attend(context, grace)
    finally:
        status = child.finish()
        lines.flush()
        context.meter.read(child.used)
    ms = round((time.perf_counter() - begin) * 1000)
    if child.ended is not None:
        return judged(Outcome(**child.ended), body, context)
    if context.flag.reason is not None:
        return with_usage(stopped(None, body, context, ms), context)
    raise died(status, context)


def judged(ended: Outcome, body: TaskBody, context: TaskContext) -> Outcome:
    """What the child says, as far as it stands: an output after the deadline does not, nor does any other end than the
    one that was asked for. Raises `BodyDied` where somebody else has asked."""
    reason = context.flag.reason
    error: dict[str, Any] = ended.error or {}
    if reason is None and ended.outcome == "cancelled":
        raise told_to_end(context)
    if reason is None or (ended.outcome == "finished" and reason != "deadline"):
        return ended
    if ended.outcome == "cancelled" if reason != "deadline" else error.get("code") == TaskTimeout.code:
        return ended
    asked = stopped(None, body, context, ended.ms)
    if asked.error is not None and error:
        found = {name: error["data"].get(name) for name in ("where", "traceback")}
        asked.error["data"].update(found, raised=error["message"])
    return replace(asked, usage=ended.usage)


def told_to_end(context: TaskContext) -> BodyDied:
    return BodyDied(
        f"The process in which task {context.node_id!r} ran alone was told to end (SIGTERM), and not by its worker.",
        exit_code=None,
        signal=signal.SIGTERM,
    )


def died(status: int, context: TaskContext) -> BodyDied:
    how = f"exit status {status}" if status >= 0 else name_of(-status)
    why = "; most likely it ran out of memory" if status == -signal.SIGKILL else ""
    return BodyDied(
        f"The process in which task {context.node_id!r} ran alone ended without an answer: {how}{why}.",
        exit_code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
    )


def name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(slots=True, eq=False)
class Child:
    """The process and the three pipes it writes to."""

    process: subprocess.Popen[bytes]
    guard: subprocess.Popen[bytes]
    control: int
    lines: TaskLines
    ended: dict[str, Any] | None = None
    """How it says that the body ended."""
    used: Usage = field(default_factory=Usage)
    """What it has reported so far."""
    pipes: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    @classmethod
    def started(cls, lines: TaskLines) -> Child:
        control, childs_end = os.pipe()
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", CHILD, str(childs_end)],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                pass_fds=(childs_end,),
                start_new_session=True,
            )
            guard = guarding(process)
        except BaseException:
            os.close(control)
            raise
        finally:
            os.close(childs_end)
        child = cls(process, guard, control, lines)
        assert process.stdout is not None
        assert process.stderr is not None
        child.pipes.register(control, selectors.EVENT_READ, Control(child.take))
        child.pipes.register(process.stdout.fileno(), selectors.EVENT_READ, Text("stdout", lines))
        child.pipes.register(process.stderr.fileno(), selectors.EVENT_READ, Text("stderr", lines))
        return child

    def send(self, job: Job) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once; its exit status says how
            self.process.stdin.write(json.dumps({**job, "parent": os.getpid()}).encode() + b"\n")
            self.process.stdin.flush()

    def take(self, message: dict[str, Any]) -> None:
        if "line" in message:
            stream, text = message["line"]
            self.lines.write(stream, text)
        elif "usage" in message:
            self.used = Usage.read(message["usage"])
        elif "ended" in message:
            self.ended = message["ended"]

    def attend(self, context: TaskContext, grace: timedelta) -> None:
        """Reads what it writes until it has ended; stops it when it is time to."""
        kill_at = None
        while self.ended is None and self.process.poll() is None:
            left = context.time_left()
            if left is not None and not left:
                context.flag.set("deadline")
            if context.cancelled and kill_at is None:
                self.signal(signal.SIGTERM)
                kill_at = time.monotonic() + grace.total_seconds()
            elif kill_at is not None and time.monotonic() >= kill_at:
                self.signal(signal.SIGKILL)
            self.read(min(LOOK_EVERY_S, left.total_seconds()) if left else LOOK_EVERY_S)

    def read(self, timeout_s: float) -> bool:
        """Passes on what there is; returns whether there was anything, or waits for it."""
        ready = self.pipes.select(timeout_s)
        for key, _ in ready:
            chunk = os.read(key.fd, CHUNK_BYTES)
            key.data.feed(chunk)
            if not chunk:
                self.pipes.unregister(key.fd)
        return bool(ready)

    def finish(self) -> int:
        """Ends the whole group and reads what is left; returns the exit status, negative for a signal."""
        if self.ended is not None:  # it is on its way out; let it go in peace
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LAST_WORDS_S)
        self.signal(signal.SIGKILL)
        status = self.process.wait()
        end_guard(self.guard)
        until = time.monotonic() + LAST_WORDS_S
        while self.pipes.get_map() and time.monotonic() < until and self.read(0.01):
            pass
        for key in list(self.pipes.get_map().values()):
            self.pipes.unregister(key.fileobj)
        self.pipes.close()
        os.close(self.control)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        return status

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone; on macOS also: all are zombies
            os.killpg(self.process.pid, number)


def guarding(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Starts the guard of a process's group. Until a job is sent that process does nothing."""
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-I", "-S", "-c", GUARD, str(process.pid)]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True)
    except BaseException:
        process.kill()
        process.communicate()
        raise


def end_guard(guard: subprocess.Popen[bytes]) -> None:
    guard.kill()
    guard.communicate()


class Control:
    """The child's messages, put together from chunks."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self.take = take
        self.partial = bytearray()

    def feed(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            message = bytes(self.partial) + piece
            self.partial.clear()
            with contextlib.suppress(ValueError):  # the author's code has found the descriptor and wrote to it
                self.take(json.loads(message))
        self.partial += rest


class Text:
    """One of the child's standard streams."""

    def __init__(self, stream: str, lines: TaskLines) -> None:
        self.stream = stream
        self.lines = lines
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, chunk: bytes) -> None:
        self.lines.feed(self.stream, self.decoder.decode(chunk, not chunk))
