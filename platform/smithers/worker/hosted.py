"""Old code for runs that are pinned to it: each digest in a process of its own, from the sources in the store.

    python -m smithers.worker.hosted LIFE ROOT DIGEST SOURCE        the process of one digest

It is a worker like any other, except that its files are a copy, so that no module of the new code can get into it. A
guard starts it again when it dies. It lives no longer than whoever started it, which the end of the pipe LIFE tells it.

`HostedCodes` decides which digests have such a process: those of open runs that nobody on this machine holds. A code
whose sources are not there, or do not load, is tried again ever more rarely. Only so many are hosted at once; runs that
have something to do come first, and a code for which everybody waits gives its place to one that is needed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from smithers.engine.fold import UNPLANNED_KINDS
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.worker.copies import SHORT
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.guarding import Guard, die_with_parent, serve
from smithers.worker.held import holders
from smithers.worker.kept import load_kept
from smithers.worker.settings import WorkerSettings

log = logging.getLogger(__name__)
MODULE: Final = "smithers.worker.hosted"
UNWANTED_S: Final = 5.0
"""For how long a code stays though nobody wants it: runs come and go."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""Before a code that could not be hosted is tried again."""
LEEWAY_S: Final = 5.0


@dataclass(slots=True, eq=False)
class Guest:
    """One digest, and the thread that watches over its process."""

    guard: Guard
    thread: threading.Thread
    wanted_at: float
    status: int | None = None
    """Set when it ended by itself."""


@dataclass(slots=True)
class Trouble:
    """A code that could not be hosted."""

    until: float
    pause_s: float


@dataclass(slots=True, eq=False)
class HostedCodes:
    """The processes of old code that this process has started. `look` and `close` may be called from any thread."""

    project: Project
    store: Store
    own: Callable[[], Collection[str]]
    """Digests that this process holds itself."""
    most: int = 4
    drain_s: float = 10.0
    guests: dict[str, Guest] = field(default_factory=dict[str, Guest])
    _trouble: dict[str, Trouble] = field(default_factory=dict[str, Trouble])
    _counted: int = 0
    """How many codes were wanted in the last look."""
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, runs: Sequence[Run]) -> None:
        """Starts and stops what these open runs want. Returns at once."""
        with self._lock:
            if self._closed:
                return
            self._note_ends()
            wanted = self.wanted(runs)
            now = time.monotonic()
            for digest, guest in self.guests.items():
                if digest in wanted:
                    guest.wanted_at = now
                elif now - guest.wanted_at > UNWANTED_S:
                    guest.guard.stop()
            for digest, source in wanted.items():
                if digest not in self.guests and len(self.guests) < self.most:
                    self._start(digest, source)

    def ask_to_stop(self) -> None:
        """Starts nothing any more, and has all of them drain."""
        with self._lock:
            self._closed = True
            for guest in self.guests.values():
                guest.guard.stop()

    def close(self) -> None:
        """Returns when all of them are gone; what has not drained in time is killed."""
        self.ask_to_stop()
        guests = list(self.guests.values())
        deadline = time.monotonic() + self.drain_s + LEEWAY_S
        for guest in guests:
            guest.thread.join(max(0.0, deadline - time.monotonic()))
            guest.guard.close()

    def wanted(self, runs: Sequence[Run]) -> dict[str, str]:
        """Digests with their sources, the most urgent first, no more than there are places."""
        held = holders(self.project).keys() - self.guests.keys()
        pinned = [run for run in runs if run.digest not in held and run.digest not in self.own()]
        urgency = {run.run_id: self._urgency(run) for run in pinned}
        pinned.sort(key=lambda run: urgency[run.run_id], reverse=True)
        wanted: dict[str, str] = {}
        for run in pinned:
            if not self._is_in_trouble(run.digest):
                wanted.setdefault(run.digest, run.source)
        if self._counted != len(wanted) > self.most:
            log.warning(
                "open runs are pinned to %d codes that nobody holds; %d are hosted at once (SMITHERS_HOSTED_CODES)",
                len(wanted),
                self.most,
            )
        self._counted = len(wanted)
        return dict(list(wanted.items())[: self.most])

    def _urgency(self, run: Run) -> tuple[bool, bool, int]:
        """Who has something to do comes first, then who is hosted already, then who changed last."""
        return self._has_work(run), run.digest in self.guests, run.updated_ms

    def _has_work(self, run: Run) -> bool:
        if run.status in ("running", "waiting-code"):  # other code is what the latter waits for
            return run.status == "running"
        return any(entry.kind in UNPLANNED_KINDS for entry in self.store.entries(run.run_id, after=run.planned))

    def _is_in_trouble(self, digest: str) -> bool:
        trouble = self._trouble.get(digest)
        return trouble is not None and time.monotonic() < trouble.until

    def _start(self, digest: str, source: str) -> None:
        if not self.store.has_sources(digest):
            log.warning(
                "open runs are pinned to the code %s of %s, which has changed, and its sources are not in the store: "
                "put the file back as it was, or follow the new code",
                digest[:SHORT],
                source,
            )
            self._note_trouble(digest)
            return
        log.info("hosting the code %s of %s from the store", digest[:SHORT], source)
        guard = Guard(MODULE, (str(self.project.root), digest, source))
        thread = threading.Thread(target=self._watch, args=(digest, guard), name=f"host {digest[:SHORT]}", daemon=True)
        self.guests[digest] = Guest(guard, thread, time.monotonic())
        thread.start()

    def _watch(self, digest: str, guard: Guard) -> None:
        status = guard.run()
        with suppress(KeyError):
            self.guests[digest].status = status

    def _note_ends(self) -> None:
        for digest, guest in list(self.guests.items()):
            if guest.status is None:
                continue
            guest.thread.join()
            guest.guard.close()
            del self.guests[digest]
            if guest.status == 0:
                self._trouble.pop(digest, None)
                log.info("the code %s is not hosted any more", digest[:SHORT])
            else:
                self._note_trouble(digest)

    def _note_trouble(self, digest: str) -> None:
        last = self._trouble.get(digest)
        pause_s = FIRST_PAUSE_S if last is None else min(2 * last.pause_s, LONGEST_PAUSE_S)
        self._trouble[digest] = Trouble(time.monotonic() + pause_s, pause_s)


class Hosted:
    """The process of one digest."""

    def __init__(self, project: Project, digest: str, source: Path) -> None:
        store = open_store(project, create=False)
        try:
            code = load_kept(store, digest, source, project.state / "code")
        finally:
            store.close()
        self.worker = EmbeddedWorker(project, code, WorkerSettings.of(project))

    def start(self) -> None:
        self.worker.start()

    def stop(self) -> None:
        self.worker.stop()


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    life, root, digest, source = arguments
    die_with_parent(int(life))
    return serve(lambda: Hosted(Project(Path(root)), digest, Path(source)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
