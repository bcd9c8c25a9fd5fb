"""What a task prints and logs becomes lines of that task; what nobody's task writes passes through.

A process runs many tasks at once, so stdout and stderr cannot be redirected for one of them. Instead both are
replaced once by streams that look up, at each write, whose code is running: a context variable says so, as it does
for coroutines. Three things have to help it:

- Threads start with an empty context. `Thread.start` is wrapped to hand on the task (and only the task: a full copy
  of the context would change what else the author's threads see), `ThreadPoolExecutor.submit` to hand it to the job
  rather than to the pool's thread, which serves others later.
- `logging`: a handler on the root logger would make `logging.basicConfig` in the author's file do nothing. So records
  are caught where loggers hand them to handlers. The author's own handlers still get them, but while they do, what
  they write to stdout or stderr is dropped, or each record would be kept twice.
- A forked child has the task's context but not the threads behind its sink: there, writes pass through.

Not seen: what C code and child processes write to the file descriptors. A task that runs alone (`isolate`) has its
descriptors caught, too.

A task that prints nothing pays for one small object and two changes of a context variable.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TextIO

from smithers.flow.task_context import LineSink
from smithers_activities.lines import KEPT, LineLimit, Lines, TaskLines

current: ContextVar[TaskLines | None] = ContextVar("smithers_task_lines", default=None)
NOWHERE: Final = TaskLines(Lines(lambda _stream, _text: None), LineLimit(lines=0))
FORMAT: Final = logging.Formatter("%(levelname)s %(name)s: %(message)s")


def kept(sink: LineSink, limit: LineLimit = KEPT) -> TaskLines:
    """The lines of one attempt, on their way to `sink`. What the sink itself prints and logs passes through."""
    return TaskLines(Lines(partial(outside, sink.write)), limit)


class capturing:  # noqa: N801  used like a function
    """Takes what is written inside as lines, also from threads and tasks started inside.

    Threads that go on afterwards keep writing to them. (A class: a generator costs three times as much.)
    """

    __slots__ = ("_lines", "_token")

    def __init__(self, lines: TaskLines) -> None:
        self._lines = lines

    def __enter__(self) -> TaskLines:
        install()
        self._token = current.set(self._lines)
        return self._lines

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        self._lines.flush()


def outside(write: Callable[[str, str], None], stream: str, text: str) -> None:
    """Writes a line without a current task, so that a sink which logs does not write to itself for ever."""
    token = current.set(None)
    try:
        write(stream, text)
    finally:
        current.reset(token)


class TaskStream(io.TextIOBase):
    """Stands in for stdout or stderr."""

    def __init__(self, name: str, original: TextIO) -> None:
        self._name = name
        self._original = original

    def write(self, text: str, /) -> int:
        lines = current.get()
        if lines is None:
            return self._original.write(text)
        lines.feed(self._name, text)
        return len(text)

    @property
    def original(self) -> TextIO:
        return self._original

    @property
    def buffer(self) -> Any:
        return self._original.buffer if current.get() is None else TaskBytes(self)

    def flush(self) -> None:
        self._original.flush()

    def close(self) -> None:
        """Does nothing: the stream behind it belongs to the process."""

    def isatty(self) -> bool:
        return current.get() is None and self._original.isatty()

    def fileno(self) -> int:
        return self._original.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  a plain attribute in the stubs
        return self._original.encoding

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._original.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class TaskBytes(io.RawIOBase):
    """`sys.stdout.buffer` of a task."""

    def __init__(self, stream: TaskStream) -> None:
        self._stream = stream

    def write(self, data: Any, /) -> int:
        view = bytes(data)
        self._stream.write(view.decode("utf-8", "replace"))
        return len(view)

    def writable(self) -> bool:
        return True


start_thread: Final = threading.Thread.start
submit_job: Final = ThreadPoolExecutor.submit
call_handlers: Final = logging.Logger.callHandlers


def start_within(self: threading.Thread) -> None:
    """`Thread.start`, with the starter's task."""
    lines = current.get()
    if lines is not None:
        run = self.run

        def run_within() -> None:
            current.set(lines)
            run()

        self.run = run_within
    start_thread(self)


def submit_within(self: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    """`ThreadPoolExecutor.submit`, with the submitter's task for this one job."""
    lines = current.get()
    if lines is None:
        return submit_job(self, function, *args, **kwargs)

    def job() -> Any:
        token = current.set(lines)
        try:
            return function(*args, **kwargs)
        finally:
            current.reset(token)

    token = current.set(None)  # a thread that the pool starts now is nobody's
    try:
        return submit_job(self, job)
    finally:
        current.reset(token)


def keep_record(self: logging.Logger, record: logging.LogRecord) -> None:
    """`Logger.callHandlers`, with a line for the task."""
    lines = current.get()
    if lines is None or lines is NOWHERE:
        call_handlers(self, record)
        return
    for line in FORMAT.format(record).splitlines():
        lines.write("log", line)
    token = current.set(NOWHERE)
    try:
        call_handlers(self, record)
    finally:
        current.reset(token)


def install() -> None:
    """Puts the streams and wrappers in place; cheap and harmless to repeat. A worker does it before it loads code."""
    if not isinstance(sys.stdout, TaskStream):
        sys.stdout = TaskStream("stdout", sys.stdout)
    if not isinstance(sys.stderr, TaskStream):
        sys.stderr = TaskStream("stderr", sys.stderr)
    if logging.Logger.callHandlers is not keep_record:
        threading.Thread.start = start_within
        ThreadPoolExecutor.submit = submit_within
        logging.Logger.callHandlers = keep_record


def uninstall() -> None:
    """Takes everything out again."""
    if isinstance(sys.stdout, TaskStream):
        sys.stdout = sys.stdout.original
    if isinstance(sys.stderr, TaskStream):
        sys.stderr = sys.stderr.original
    threading.Thread.start = start_thread
    ThreadPoolExecutor.submit = submit_job
    logging.Logger.callHandlers = call_handlers


os.register_at_fork(after_in_child=lambda: current.set(None))
