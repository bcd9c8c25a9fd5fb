"""A worker process that is started again when it dies, and does not outlive whoever started it.

A task may take its process with it (`os._exit`, a fault in native code, the kernel's memory killer, or our watchdog
when it holds the interpreter for too long). So the worker is a process of its own. The guard does nothing but start it
again; the new one takes over what the dead one had in hand, and the task that did it then runs alone in a process.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from smithers.errors import SmithersError
from smithers.worker import watchdog
from smithers.worker.embedded import EmbeddedWorker

log = logging.getLogger(__name__)
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 30.0
STEADY_S: Final = 30.0
"""A worker that lived this long has not died of its start."""
REFUSED: Final = 4
"""Exit status of a worker that would fail the same way again."""
LOOK_EVERY_S: Final = 1.0


class Guard:
    """Keeps one worker process running until it is told to stop: `python -m MODULE ... LIFE ARGUMENTS`."""

    def __init__(self, module: str, arguments: Sequence[str], options: Sequence[str] = ()) -> None:
        self.life, self.lives = os.pipe()
        """The worker reads the one end; the other one closes when this process dies, in whatever way."""
        # -P: a file in the current folder must not stand in for a module of the standard library.
        self.command = [sys.executable, "-P", "-m", module, *options, str(self.life), *arguments]
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()

    def run(self) -> int:
        """Blocks. Returns the worker's exit status once it ended as it should, or would not start."""
        pause_s = FIRST_PAUSE_S
        while not self.stopping.is_set():
            born = time.monotonic()
            # A group of its own: Ctrl-C reaches the guard, not the subprocesses of tasks.
            self.process = subprocess.Popen(self.command, process_group=0, pass_fds=(self.life,))
            if self.stopping.is_set():
                self.stop()
            status = self.process.wait()
            if status in (0, REFUSED) or self.stopping.is_set():
                return max(status, 0)
            pause_s = FIRST_PAUSE_S if time.monotonic() - born > STEADY_S else min(2 * pause_s, LONGEST_PAUSE_S)
            log.warning("the worker died (status %d); starting it again", status)
            self.stopping.wait(pause_s)
        return 0

    def stop(self, _number: int = 0, _frame: object = None) -> None:
        """Lets the worker drain. It is a signal handler, too, and may be called again."""
        self.stopping.set()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Ends the worker at once, if it is still there, with what its tasks have started."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.life)
        os.close(self.lives)


def die_with_parent(life: int) -> None:
    """A worker that nobody guards would go on for ever. It ends at once, with what its tasks have started; the log has
    everything, and whoever comes next takes over.

    The end of the pipe tells it at once; another parent than before does, should a forgotten child of the old one hold
    the pipe.
    """
    parent = os.getppid()

    def wait() -> None:
        is_open = True
        while is_open and os.getppid() == parent:
            if select.select([life], [], [], LOOK_EVERY_S)[0]:
                is_open = bool(os.read(life, 1))
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="guard", daemon=True).start()


class Serves(Protocol):
    @property
    def worker(self) -> EmbeddedWorker: ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """Drains."""
        ...


def serve(make: Callable[[], Serves]) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Returns the exit status of a process that a `Guard` watches."""
    stopped = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        stopped.set()

    for number in STOPPING:
        signal.signal(number, stop)
    stop_watchdog = watchdog.watch()
    try:
        host = make()
        host.start()
    except SmithersError as error:
        log.error("%s", error)  # noqa: TRY400  the message says it all
        return 1 if error.retryable else REFUSED
    while not stopped.wait(0.5):
        if not host.worker.is_alive:
            return 1
    host.stop()
    del host
    gc.collect()
    stop_watchdog()
    return 0
