"""What the worker process does: `python -m smithers.cli.up.worker_process FD LABEL`. See `guard.py` for the other end.

It checks everything before it makes anything: the file is loaded, the input validated, the tree rendered twice. Only
then the store is opened, the run stored, and a worker started.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from smithers.cli.present import error_exit
from smithers.cli.status import FAILED
from smithers.engine.entry import Json
from smithers.errors import SmithersError
from smithers.project import Project
from smithers.store.successors import root_of
from smithers.worker import loading, watchdog
from smithers.worker.order import Order

if TYPE_CHECKING:
    from smithers.store.records import Run
    from smithers.worker.code import LoadedCode
    from smithers.worker.embedded import EmbeddedWorker
    from smithers.worker.hosted import HostedCodes

DRAIN_S: Final = 10.0
LOOK_EVERY_S: Final = 1.0
EARLY: Final = ("smithers.worker.prepare", "smithers.engine.check", "smithers.worker.code", "smithers.store.opening")
"""Imported while the other process parses its command line."""
MEANWHILE: Final = (
    "smithers.worker.embedded",
    "smithers.temporal.serving",
    "smithers.temporal.client",
    "smithers.temporal.payloads",
    "smithers.temporal.ringing",
)
"""Imported while the local server boots; they bring the Temporal SDK."""


class Line:
    """The socket to the process that talks to the person. Messages wait in a queue until they are asked for."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        # Signal handlers put into it too, which is safe with this kind of queue only.
        self.heard: SimpleQueue[Json] = SimpleQueue()
        threading.Thread(target=self.listen, name="line", daemon=True).start()

    def listen(self) -> None:
        with self.connection.makefile("rb") as incoming:
            try:
                for line in incoming:
                    self.heard.put(json.loads(line))
            finally:
                # The other side is dead. As if both were one process, this one dies with it: the log has everything.
                os.kill(os.getpid(), signal.SIGKILL)

    def say(self, message: Json) -> None:
        with self.lock:
            self.connection.sendall(json.dumps(message, default=repr).encode() + b"\n")

    def stop(self, _number: int, _frame: object) -> None:
        """A signal handler."""
        self.heard.put({"stop": DRAIN_S})


def noted(_number: int, _frame: object) -> None:
    """A signal handler."""


def main() -> int:
    loading.begin()
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    for name in EARLY:
        import_module(name)
    order = Order(**line.heard.get())
    # Ctrl-C is for the other process. A handler is not inherited by the programs that tasks run; SIG_IGN would be.
    signal.signal(signal.SIGINT, noted)
    signal.signal(signal.SIGTERM, line.stop)
    stop_watchdog = watchdog.watch()
    serve(line, order)
    line.say({"bye": True})
    stop_watchdog()
    loading.flush_files()
    return 0


def serve(line: Line, order: Order) -> None:
    from smithers.worker.prepare import prepare

    project = Project(Path(order.root))
    try:
        prepared = prepare(project, order)
        line.say({"ready": prepared.wire()})
        for note in prepared.notes:
            line.say({"note": note})
        if prepared.code is not None:
            host(line, project, prepared.run_id, prepared.code)
    except SmithersError as error:
        line.say({"refused": error.wire() | {"status": error_exit(error)}})
    except Exception as error:  # noqa: BLE001  a bug of ours; starting again would only repeat it
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}. This is a bug in Smithers; the lines above help to find it."
        line.say({"refused": {"code": "INTERNAL_ERROR", "message": message, "data": {}, "status": FAILED}})


def host(line: Line, project: Project, run_id: str, code: LoadedCode) -> None:
    from smithers.temporal import local

    boot = local.ensure_soon(project, say=lambda text: line.say({"note": text}))
    for name in MEANWHILE:
        import_module(name)
    from smithers.worker.embedded import EmbeddedWorker

    loading.loaded()
    worker = EmbeddedWorker(project, code, None)
    beside = Beside(worker, run_id)
    worker.on_open_runs = beside.look
    worker.on_end = lambda run: line.say({"over": run})
    with boot():
        worker.start()
    ring(worker, run_id)
    line.say({"rung": run_id})
    drain_s = obey(line, worker)
    beside.ask_to_stop()
    worker.stop(drain_s)
    beside.close()
    # The SDK's native objects must go while the interpreter is whole: otherwise it may crash while it exits.
    del worker, beside
    gc.collect()


class Beside:
    """Hosts the code that our run, or one that goes on for it, follows since we began, should somebody have it follow
    another one."""

    def __init__(self, worker: EmbeddedWorker, run_id: str) -> None:
        self.worker = worker
        self.root = root_of(worker.store.run(run_id))
        self.hosted: HostedCodes | None = None

    def look(self, runs: Sequence[Run]) -> None:
        ours = [run for run in runs if root_of(run) == self.root]
        if self.hosted is None and any(run.digest not in self.worker.codes for run in ours):
            from smithers.worker.hosted import HostedCodes

            worker = self.worker
            self.hosted = HostedCodes(worker.project, worker.store, worker.codes.keys, 1)
        if self.hosted is not None:
            self.hosted.look(ours)

    def ask_to_stop(self) -> None:
        if self.hosted is not None:
            self.hosted.ask_to_stop()

    def close(self) -> None:
        if self.hosted is not None:
            self.hosted.close()


def obey(line: Line, worker: EmbeddedWorker) -> float:
    """Serves until told to stop. Returns for how long tasks may go on, in seconds.

    A worker that ended by itself takes the process with it: whoever watches over that starts another one.
    """
    while worker.is_alive:
        try:
            message = line.heard.get(timeout=LOOK_EVERY_S)
        except Empty:
            continue
        if "stop" in message:
            return float(message["stop"])
        if "ring" in message:
            ring(worker, message["ring"])
    raise SystemExit(FAILED)


def ring(worker: EmbeddedWorker, run_id: str) -> None:
    """What is stored is found by the sweeper, too, when the store or the server are back."""
    try:
        worker.ring(run_id)
    except SmithersError as error:
        if not error.retryable:
            raise
        print(f"... {error.message} Trying again.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
