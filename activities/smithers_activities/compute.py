"""Runs one compute body in this process and says how it ended.

`perform` runs it in the calling thread, for as long as it takes. Python cannot interrupt a function: whoever keeps the
deadline sets the context's cancel flag, and waits for the body or goes on without it. A coroutine is driven by
`asyncio.run` in the same thread, and cancelled when the flag is set. Work that takes no notice of its flag belongs into
a process of its own (`Task(isolated=True)`).

Whatever the body raises becomes part of the outcome. Nothing but `KeyboardInterrupt` comes through.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from smithers.errors import SmithersError, TaskCancelled, TaskTimeout
from smithers.flow.binding import arguments
from smithers.flow.body import TaskBody
from smithers.flow.policy import duration, milliseconds
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Usage
from smithers_activities import failure
from smithers_activities.capture import capturing, kept
from smithers_activities.lines import TaskLines, storable
from smithers_activities.output import validated


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    outcome: Literal["finished", "failed", "cancelled"]
    output: Any = None
    """JSON that fits the output model."""
    error: dict[str, Any] | None = None
    """`{code, message, retryable, data}`"""
    ms: int = 0
    usage: dict[str, Any] | None = None
    """What the body has reported."""

    def wire(self) -> dict[str, Any]:
        """As the log keeps it."""
        what = {"output": self.output} if self.outcome == "finished" else {"error": self.error}
        used = {} if self.usage is None else {"usage": self.usage}
        return {"outcome": self.outcome, **what, "ms": self.ms, **used}


class Stopped(BaseException):
    """Thrown into a body from outside where that is possible. No `Exception`, so that the body does not swallow it.

    Whoever throws it sets the flag, perhaps a moment later.
    """


def perform(body: TaskBody, context: TaskContext) -> Outcome:
    """Runs a body in the calling thread.

    The context's flag asks it to stop, with the reason: `cancel` and `shutdown` give the outcome `cancelled` unless
    the body returns an output all the same; after `deadline` an output comes too late. What the body prints and logs
    goes to the context's sink, line by line and bounded.
    """
    begin = time.perf_counter()
    output = error = None
    if not isinstance(context.sink, TaskLines):
        context = replace(context, sink=kept(context.sink))
    with capturing(cast("TaskLines", context.sink)):
        try:
            output = validated(invoke(body, context), body.task.output, body.task.id)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001  SystemExit and CancelledError are ends of the body, too
            error = raised
    ms = round((time.perf_counter() - begin) * 1000)
    if error is None and context.flag.reason != "deadline":
        return with_usage(Outcome("finished", output, ms=ms), context)
    return with_usage(stopped(error, body, context, ms), context)


def with_usage(outcome: Outcome, context: TaskContext) -> Outcome:
    total = context.meter.total
    return outcome if total == Usage() else replace(outcome, usage=total.wire())


def invoke(body: TaskBody, context: TaskContext) -> object:
    if body.static is not None:
        return body.static
    args, kwargs = arguments(body.call, body.deps, context)
    value = body.function(*args, **kwargs)
    return drive(cast("Awaitable[object]", value), context.flag) if hasattr(value, "__await__") else value


def drive(awaitable: Awaitable[object], flag: CancelFlag) -> object:
    """Runs a coroutine on a loop of its own until it ends, or until the flag cancels it."""
    import asyncio  # 70 ms, which workers without async bodies need not pay

    async def main() -> object:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(awaitable)

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop was closed in between
                loop.call_soon_threadsafe(task.cancel)

        forget = flag.on_set(cancel)
        try:
            return await task
        finally:
            forget()

    return asyncio.run(main())


def stopped(error: BaseException | None, body: TaskBody, context: TaskContext, ms: int) -> Outcome:
    """The outcome of a body that raised, or that returned too late.

    Once a body was asked to stop, that is why it ended, whatever it raised on its way out.
    """
    if isinstance(error, Stopped):
        context.flag.wait()
    match context.flag.reason:
        case "deadline":
            return Outcome("failed", error=caused(timed_out(body, context), error), ms=ms)
        case "cancel" | "shutdown" as reason:
            return Outcome("cancelled", error=caused(TaskCancelled(reason=reason), error), ms=ms)
        case None:
            assert error is not None
            return Outcome("failed", error=wired(error, body), ms=ms)


def timed_out(body: TaskBody, context: TaskContext) -> TaskTimeout:
    limit = body.task.timeout
    span = None if limit is None else duration(limit, "timeout")
    after = "its deadline" if span is None else f"its timeout of {span.total_seconds():g} s"
    return TaskTimeout(
        f"Task {context.node_id!r} took longer than {after} (attempt {context.attempt}). "
        "Give it more time, or less to do.",
        node_id=context.node_id,
        attempt=context.attempt,
        timeout_ms=0 if span is None else milliseconds(span),
    )


def caused(reason: SmithersError, error: BaseException | None) -> dict[str, Any]:
    """The wire form of why a body was stopped, with where it was."""
    if error is None:
        return failure.wire(reason)
    found = failure.wire(reason.with_traceback(error.__traceback__))
    if isinstance(error, Exception) and not isinstance(error, type(reason)):
        found["data"]["raised"] = storable(failure.told(error))
    return found


def wired(error: BaseException, body: TaskBody) -> dict[str, Any]:
    """The wire form of what a body raised.

    A call that does not fit the function's parameters raises in our frame: it says which function, and what it got.
    """
    found = failure.wire(error)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code is not invoke.__code__:
        frames = frames.tb_next
    if isinstance(error, TypeError) and frames is not None and frames.tb_next is None:
        code: Any = getattr(body.function, "__code__", None)
        deps = f" Its deps give {', '.join(body.deps)}." if body.deps else ""
        found["message"] += f". Task {body.task.id!r} cannot call its function with what it is given.{deps}"
        found["data"]["where"] = f"{code.co_filename}:{code.co_firstlineno}" if code else None
    return found
