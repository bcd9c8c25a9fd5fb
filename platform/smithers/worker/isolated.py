"""The process in which one task runs alone. `smithers_activities.isolate` starts it and says how they talk.

    python -m smithers.worker.isolated FD        reads one job from stdin, answers on the descriptor FD

The job names the author's code by path and digest and the body by value. A function with free variables, or with
arguments that are no JSON, cannot be named; then the job has no body, and the tree is rendered from the log as it was
when the task was planned, which finds it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smithers.errors import TaskError, WorkflowFileError
from smithers.flow.body import TaskBody
from smithers.flow.call import Call
from smithers.flow.policy import duration, milliseconds
from smithers.flow.stored import read_back
from smithers.flow.task import Task
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Meter, Usage
from smithers.worker import copies
from smithers.worker.code import LoadedCode, load
from smithers_activities import capture, compute, failure
from smithers_activities.isolate import Job

if TYPE_CHECKING:
    from smithers.engine.entry import Entry

SET_PDEATHSIG: Final = 1


def job_of(body: TaskBody, context: TaskContext, n: int, code: LoadedCode, folder: Path, store: str) -> Job:
    """What the child is told of a body. `n` is its command, `store` the URL of the log, `folder` see `LoadedCode.home`.

    A body that is only found by rendering needs a store that another process can open.
    """
    limit = body.task.timeout
    return {
        "source": str(code.home(folder)),
        "digest": code.digest,
        "store": store,
        "n": n,
        "run": context.run_id,
        "node": context.node_id,
        "iteration": context.iteration,
        "attempt": context.attempt,
        "delivery": context.delivery,
        "limit_tokens": context.meter.limit_tokens,
        "deadline": None if context.deadline is None else context.deadline.timestamp(),
        "timeout_ms": 0 if limit is None else milliseconds(duration(limit, "timeout")),
        "body": by_value(body, code),
    }


def by_value(body: TaskBody, code: LoadedCode) -> dict[str, Any] | None:
    """A body that another process can build without the log, or None."""
    from smithers.engine.payload import is_plain, reference

    output = body.task.output
    if body.static is not None and can_be_named([output], code):
        return {"static": body.static.model_dump(mode="json"), "output": reference(output), "deps": {}}
    if body.static is not None or not can_be_named([output, body.function, *map(type, body.deps.values())], code):
        return None
    args, kwargs = list(body.args), dict(body.kwargs)
    if not is_plain([args, kwargs]):
        return None
    deps = {name: [reference(type(dep)), dep.model_dump(mode="json")] for name, dep in body.deps.items()}
    return {"fn": reference(body.function), "args": args, "kwargs": kwargs, "output": reference(output), "deps": deps}


def can_be_named(things: Sequence[Any], code: LoadedCode) -> bool:
    """Whether `module:qualname` leads back to each of them: not to a local function, nor to what is decorated."""
    from smithers.engine.payload import reference

    try:
        return all(code.resolve(reference(thing)) is thing for thing in things)
    except (AttributeError, WorkflowFileError):
        return False


# The child


class Wire:
    """The descriptor on which we answer. A `LineSink`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lock = threading.Lock()

    def write(self, stream: str, text: str, /) -> None:
        self.send({"line": [stream, text]})

    def use(self, total: Usage) -> None:
        self.send({"usage": total.wire()})

    def send(self, message: dict[str, Any]) -> None:
        rest = memoryview(json.dumps(message).encode() + b"\n")
        with self.lock:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]


class Stopper:
    """Carries out SIGTERM: sets the flag, and throws `Stopped` into a body that runs in the main thread.

    The handler itself takes no lock, as the code it interrupts may hold any; a thread behind a pipe sets the flag.
    """

    def __init__(self, deadline: datetime | None) -> None:
        self.flag = CancelFlag()
        self.deadline = deadline
        self.asked = False
        """Known at once; the flag is set a moment later."""
        self.armed = False
        self.woken, self.bell = os.pipe()
        threading.Thread(target=self.watch, name="watch for a stop", daemon=True).start()
        signal.signal(signal.SIGTERM, self.terminate)

    def watch(self) -> None:
        os.read(self.woken, 1)
        late = self.deadline is not None and now() >= self.deadline
        self.flag.set("deadline" if late else "cancel")

    def terminate(self, *_: object) -> None:
        self.asked = True
        os.write(self.bell, b"!")
        if self.armed and not in_loop():
            self.armed = False
            raise compute.Stopped

    def guard(self, perform: Callable[[], compute.Outcome]) -> compute.Outcome | None:
        """The outcome, or None if `Stopped` hit beside the body."""
        try:
            self.armed = True
            if self.asked:
                raise compute.Stopped
            return perform()
        except compute.Stopped:
            return None
        finally:
            self.armed = False


def in_loop() -> bool:
    """Whether an event loop runs in this thread: it is told through the flag, and must not be torn apart."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


def main(arguments: Sequence[str]) -> None:
    wire = Wire(int(arguments[0]))
    os.set_inheritable(wire.descriptor, False)
    faulthandler.enable()
    job = read_job(private_stdin())
    try:
        ended = carry_out(job, wire).wire()
    except BaseException as error:  # noqa: BLE001  the parent must hear of it, whatever it is
        ended = {"outcome": "failed", "error": failure.wire(error), "ms": 0}
    capture.uninstall()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    wire.send({"ended": ended})
    os._exit(0)  # threads that the body left behind must not keep us


def private_stdin() -> int:
    """Our end of the parent's pipe. The body gets an empty stdin instead."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def read_job(pipe: int) -> Job:
    data = bytearray()
    while not data.endswith(b"\n"):
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            os._exit(1)  # the parent is gone
        data += chunk
    job: Job = json.loads(data)
    die_with(job["parent"], pipe)
    return job


def die_with(parent: int, pipe: int) -> None:
    """Ends this process and its group when the parent does; `isolate` has a guard who does it as well.

    The kernel's signal (Linux) comes even while C code holds the interpreter, but to this process alone.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


def carry_out(job: Job, wire: Wire) -> compute.Outcome:
    deadline = None if job["deadline"] is None else datetime.fromtimestamp(job["deadline"], UTC)
    stopper = Stopper(deadline)
    copies.settle(Path(job["source"]))
    code = load(Path(job["source"]))
    if code.digest != job["digest"]:
        raise TaskError(
            f"{job['source']} has changed while a task of it was about to start: it is {code.digest[:12]}, the run "
            f"follows {job['digest'][:12]}.",
            code="CODE_CHANGED",
        )
    context = TaskContext(
        job["run"],
        job["node"],
        job["iteration"],
        job["attempt"],
        job["delivery"],
        deadline,
        now,
        stopper.flag,
        capture.kept(wire),
        Meter(job["node"], job["limit_tokens"], wire.use),
    )
    body = located(job, code) if job["body"] is None else built(job, code)
    ended = stopper.guard(lambda: compute.perform(body, context))
    return ended or compute.with_usage(compute.stopped(compute.Stopped(), body, context, 0), context)


def built(job: Job, code: LoadedCode) -> TaskBody:
    """The body from its values."""
    value = job["body"]
    model = code.resolve(value["output"])
    limit = timedelta(milliseconds=job["timeout_ms"]) if job["timeout_ms"] else None
    task: Task[Any] = Task(job["node"], output=model, timeout=limit)
    if "static" in value:
        return TaskBody(task[read_back(model, value["static"])], {})
    call: Call[Any] = Call(code.resolve(value["fn"]), tuple(value["args"]), value["kwargs"])
    deps = {name: read_back(code.resolve(dep), data) for name, (dep, data) in value["deps"].items()}
    return TaskBody(task[call], deps)


def located(job: Job, code: LoadedCode) -> TaskBody:
    """The body from the tree, as the frame that planned it had it."""
    from smithers.engine.plan import Planner
    from smithers.store import open_store
    from smithers.temporal.task_body import workflow_of

    store = open_store(job["store"], create=False)
    try:
        entries = store.entries(job["run"])
    finally:
        store.close()
    planner = Planner.build(
        workflow_of(code, entries[0].data.get("options") or {}), job["run"], entries[: planned_at(entries, job["n"])]
    )
    return planner.body(job["node"], job["iteration"])


def planned_at(entries: Sequence[Entry], n: int) -> int:
    """How many entries there were when command `n` was planned."""
    for place, entry in enumerate(entries, 1):
        if entry.kind == "frame" and any(command[0] == n for command in entry.data.get("commands", ())):
            return place
    return len(entries)


def now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(sys.argv[1:])
