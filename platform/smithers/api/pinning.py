"""A run that goes on with its own code, though its file has changed: in a process beside this one.

A process finds a module in one place. The program's own modules, and the other workflows that it runs, come from the
files as they are now; so the code from the store gets a process of its own, as `smithers start` gives it one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smithers.engine.state import FINAL
from smithers.project import Project
from smithers.store import open_store
from smithers.worker.prepare import Prepared, own_code_on_disk, refuse_continued, reopen

if TYPE_CHECKING:
    from smithers.worker.guarding import Guard
    from smithers.worker.order import Order

DRAIN_S: Final = 10.0
AFTER_DRAIN_S: Final = 5.0
LONGEST_START_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05


def prepare_pinned(project: Project, order: Order) -> tuple[Prepared, Beside | None]:
    """A run that is there, opened again if it had failed, and what hosts its code if the file is another one now.

    Raises `WrongState` where neither the file nor the store has its code.
    """
    store = open_store(project, create=False)
    try:
        run = store.run(order.run_id)
        refuse_continued(store, run)
        about = (run.run_id, run.workflow, run.created_ms, run.head)
        if run.status in FINAL and run.status != "failed":
            return Prepared(*about, None), None
        code = own_code_on_disk(store, run, order.file)
        if run.status == "failed":
            reopen(store, run, order.by)
        beside = Beside(project, run.run_id, run.digest, Path(order.file or run.source)) if code is None else None
        return Prepared(*about, code), beside
    finally:
        store.close()


@dataclass(slots=True, eq=False)
class Beside:
    """A process that hosts a code from the store for one handle, and is started again when it dies. All methods block,
    and may be called from any thread."""

    project: Project
    run_id: str
    digest: str
    source: Path
    _guard: Guard | None = None
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> None:
        """Starts it, and returns when it has been told of the run or has ended.

        Where it takes long to come up it is not waited for: it looks at every open run by itself.
        """
        from smithers.worker.guarding import Guard
        from smithers.worker.held import holders
        from smithers.worker.hosted import MODULE
        from smithers.worker.ringing import wake

        with self._lock:
            guard = self._guard = Guard(MODULE, (str(self.project.root), self.digest, str(self.source)))
            self._thread = threading.Thread(target=guard.run, name=f"host {self.digest[:12]}", daemon=True)
            self._thread.start()
        deadline = time.monotonic() + LONGEST_START_S
        while self.is_alive and time.monotonic() < deadline:
            if self.digest in holders(self.project) and wake(self.project, self.run_id):
                return
            time.sleep(LOOK_EVERY_S)

    def leave(self) -> None:
        """Has it drain; what has not ended in time is killed."""
        with self._lock:
            guard, thread, self._guard, self._thread = self._guard, self._thread, None, None
        if guard is not None and thread is not None:
            guard.stop()
            thread.join(DRAIN_S + AFTER_DRAIN_S)
            guard.close()

    @property
    def place(self) -> str:
        return f"that hosts the code {self.digest[:12]} of {self.source} (it has said why)"

    @property
    def is_alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()
