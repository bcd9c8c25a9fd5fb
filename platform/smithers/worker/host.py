"""What `smithers start` keeps running: a worker for every workflow of a project, and a guard that outlives it.

python -m smithers.worker.host ROOT [FILE ...]      the guard
python -m smithers.worker.host --serve ROOT ...     the worker
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from smithers.errors import SmithersError
from smithers.project import Project
from smithers.store.records import Run
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.guarding import STOPPING, Guard, die_with_parent, serve
from smithers.worker.hosted import HostedCodes
from smithers.worker.settings import WorkerSettings

log = logging.getLogger(__name__)
MODULE: Final = "smithers.worker.host"
SERVE: Final = "--serve"
GUARDED: Final = "--guarded"


def guard_of(project: Project, files: Sequence[Path] = ()) -> Guard:
    return Guard(MODULE, [str(project.root), *map(str, files)], (SERVE, GUARDED))


class Host:
    """The worker process: every workflow file it was given, and those of open runs whose code is still the same. What
    other code open runs are pinned to is hosted beside it."""

    def __init__(self, project: Project, files: Sequence[Path]) -> None:
        self.project = project
        self.tried: dict[tuple[str, str], float] = {}
        """When the file of a digest was last found to hold something else: its time of change."""
        codes = [load(file) for file in files]
        settings = WorkerSettings.of(project)
        self.worker = EmbeddedWorker(project, codes, settings, on_open_runs=self.look_at, schedules=True)
        self.hosted = HostedCodes(
            project, self.worker.store, self.worker.codes.keys, settings.hosted_codes, settings.drain_s
        )

    def start(self) -> None:
        for run in self.worker.store.due_runs():
            self.look_for(run.digest, run.source)
        self.worker.start()
        self.hosted.look(self.worker.store.due_runs())

    def stop(self) -> None:
        self.hosted.ask_to_stop()
        self.worker.stop()
        self.hosted.close()

    def look_at(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self.look_for(run.digest, run.source)
        self.hosted.look(runs)

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


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serving = arguments[:1] == [SERVE]
    rest = arguments[1:] if serving else arguments
    if rest[:1] == [GUARDED]:
        die_with_parent(int(rest[1]))
        rest = rest[2:]
    root, *files = [Path(argument).resolve() for argument in rest]
    project = Project(root)
    if serving:
        return serve(lambda: Host(project, files))
    guard = guard_of(project, files)
    for number in STOPPING:
        signal.signal(number, guard.stop)
    return guard.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
