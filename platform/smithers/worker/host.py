"""What `smithers start` keeps running: a worker for every workflow of a project, and a guard that outlives it.

A task may take its process with it (`os._exit`, a fault in native code, the kernel's memory killer, or our watchdog
when it holds the interpreter for too long). So the worker is a process of its own. The guard does nothing but start it
again; the new one takes over what the dead one had in hand, and the task that did it then runs alone in a process.

    python -m smithers.worker.host ROOT [FILE ...]      the guard
    python -m smithers.worker.host --serve ROOT ...     the worker
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from smithers.errors import SmithersError
from smithers.project import Project
from smithers.worker import watchdog
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings

log = logging.getLogger(__name__)
MODULE: Final = "smithers.worker.host"
SERVE: Final = "--serve"
GUARDED: Final = "--guarded"
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 30.0
STEADY_S: Final = 30.0
"""A worker that lived this long has not died of its start."""
REFUSED: Final = 4
"""Exit status of a worker that would fail the same way again."""


class Guard:
    """Keeps one worker process running until it is told to stop."""

    def __init__(self, project: Project, files: Sequence[Path] = ()) -> None:
        # -P: a file in the current folder must not stand in for a module of the standard library.
        self.life, self.lives = os.pipe()
        """The worker reads the one end; the other one closes when this process dies, in whatever way."""
        place = [str(project.root), *map(str, files)]
        self.command = [sys.executable, "-P", "-m", MODULE, SERVE, GUARDED, str(self.life), *place]
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()

    def run(self) -> int:
        """Blocks. Returns the worker's exit status once it ended as it should, or would not start."""
        pause_s = FIRST_PAUSE_S
        while not self.stopping.is_set():
            born = time.monotonic()
            # A group of its own: Ctrl-C reaches the guard, not the subprocesses of tasks.
            self.process = subprocess.Popen(self.command, process_group=0, pass_fds=(self.life,))
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


class Host:
    """The worker process: every workflow file it was given, and those of open runs whose code is still the same."""

    def __init__(self, project: Project, files: Sequence[Path]) -> None:
        self.project = project
        self.tried: dict[tuple[str, str], float] = {}
        """When the file of a digest was last found to hold something else: its time of change."""
        codes = [load(file) for file in files]
        self.worker = EmbeddedWorker(
            project, codes, WorkerSettings.of(project), on_code_wanted=self.look_for, schedules=True
        )

    def start(self) -> None:
        for run in self.worker.store.due_runs():
            self.look_for(run.digest, run.source)
        self.worker.start()

    def look_for(self, digest: str, source: str) -> None:
        """Holds the code that a run is pinned to, if its file still is that code."""
        if digest in self.worker.codes:
            return
        path = Path(source)
        changed = path.stat().st_mtime if path.is_file() else 0.0
        if not changed or self.tried.get((digest, source)) == changed:
            return
        self.tried[digest, source] = changed
        code = loaded(path)
        if code is not None:
            self.worker.hold(code)


def loaded(path: Path) -> LoadedCode | None:
    try:
        return load(path)
    except SmithersError as error:
        log.warning("cannot host %s: %s", path, error)
        return None


def die_with_guard(life: int) -> None:
    """A worker that nobody guards would go on for ever. It ends at once, with what its tasks have started; the log has
    everything, and whoever comes next takes over."""

    def wait() -> None:
        while os.read(life, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="guard", daemon=True).start()


def serve(project: Project, files: Sequence[Path]) -> int:
    stopped = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        stopped.set()

    for number in STOPPING:
        signal.signal(number, stop)
    stop_watchdog = watchdog.watch()
    try:
        host = Host(project, files)
        host.start()
    except SmithersError as error:
        log.error("%s", error)  # noqa: TRY400  the message says it all
        return 1 if error.retryable else REFUSED
    while not stopped.wait(0.5):
        if not host.worker.is_alive:
            return 1
    host.worker.stop()
    del host
    gc.collect()
    stop_watchdog()
    return 0


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serving = arguments[:1] == [SERVE]
    rest = arguments[1:] if serving else arguments
    if rest[:1] == [GUARDED]:
        die_with_guard(int(rest[1]))
        rest = rest[2:]
    root, *files = [Path(argument).resolve() for argument in rest]
    project = Project(root)
    if serving:
        return serve(project, files)
    guard = Guard(project, files)
    for number in STOPPING:
        signal.signal(number, guard.stop)
    return guard.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
