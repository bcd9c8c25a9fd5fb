"""The worker of this process: one for each project, there while any handle needs it.

The first handle starts it, and with it the project's local server; the last one that is closed drains and stops it. A
process that ends without closing its handles stops its workers on the way out. Bodies run in this very process: one
that takes it down takes the program down, and the run goes on when somebody goes on with it.
"""

from __future__ import annotations

import atexit
import gc
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smithers.errors import TemporalUnavailable
from smithers.project import Project

if TYPE_CHECKING:
    from smithers.worker.code import LoadedCode
    from smithers.worker.embedded import EmbeddedWorker

DRAIN_S: Final = 10.0
AT_EXIT_S: Final = 1.0


@dataclass(slots=True, eq=False)
class Host:
    """One project's worker in this process. All methods block, and may be called from any thread."""

    project: Project
    users: int = 0
    worker: EmbeddedWorker | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, code: LoadedCode, run_id: str) -> None:
        """Serves the code and carries the run on, until `leave`. Raises what keeps a worker from starting."""
        with self._lock:
            if self.worker is not None and not self.worker.is_alive:
                self._stop(0)
            if self.worker is None:
                self.worker = started(self.project, code)
            else:
                self.worker.hold(code)
            self.users += 1
            with suppress(TemporalUnavailable):  # the sweeper rings again when the store and the server are back
                self.worker.ring(run_id)

    def leave(self, drain_s: float = DRAIN_S) -> None:
        with self._lock:
            self.users = max(0, self.users - 1)
            if self.users == 0:
                self._stop(drain_s)

    def close(self) -> None:
        with self._lock:
            self.users = 0
            self._stop(AT_EXIT_S)

    @property
    def place(self) -> str:
        return "in this process"

    @property
    def is_alive(self) -> bool:
        worker = self.worker
        return worker is not None and worker.is_alive

    def _stop(self, drain_s: float) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop(drain_s)
            # The SDK's native objects must go while the interpreter is whole.
            del worker
            gc.collect()


def started(project: Project, code: LoadedCode) -> EmbeddedWorker:
    from smithers.worker.embedded import EmbeddedWorker

    worker = EmbeddedWorker(project, code)
    worker.start()
    return worker


_hosts: Final[dict[Path, Host]] = {}
_hosts_lock: Final = threading.Lock()


def host_of(project: Project) -> Host:
    """This process's host of a project."""
    with _hosts_lock:
        if not _hosts:
            atexit.register(_close_all)
        return _hosts.setdefault(project.root, Host(project))


def _close_all() -> None:
    for host in _hosts.values():
        host.close()
