"""Results of finished bodies that the store has not taken yet: one file each, in `.smithers/spool/`.

A body may have cost an hour and a lot of money; if the store is away when it returns, or the process dies in between,
its result must not be lost with it. Whoever is to run that body next looks here first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path

from smithers.engine.entry import Json
from smithers.store import faults


class Spool:
    """Files of one project. All methods may be called from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exists = False

    def path(self, run: str, n: int, attempt: int) -> Path:
        return self.folder / f"{file_name(run)}.{n}.a{attempt}.json"

    def put(self, run: str, n: int, attempt: int, ended: Json) -> bool:
        """Whether it was kept. Atomic; a disk that is full costs one more run of the body, not the worker."""
        path = self.path(run, n, attempt)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        try:
            if not self._exists:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._exists = True
            with fresh.open("w") as file:
                json.dump(ended, file)
                file.flush()
                os.fsync(file.fileno())
            if faults.armed:
                faults.before("spool")
            fresh.replace(path)
            if faults.armed:
                faults.after("spool")
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            return False
        return True

    def get(self, run: str, n: int, attempt: int) -> Json | None:
        try:
            return json.loads(self.path(run, n, attempt).read_text())
        except (OSError, ValueError):
            return None

    def drop(self, run: str, n: int, attempt: int) -> None:
        with suppress(OSError):
            self.path(run, n, attempt).unlink()

    # Plans that took their process with them

    def begin_plan(self, run: str, n: int, digest: str) -> int:
        """Counts how often step `n` has begun a plan with this code and has not come to its end."""
        path = self._plan(run, n, digest)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write("x")
            return path.stat().st_size
        except OSError:
            return 1

    def end_plan(self, run: str, n: int, digest: str) -> None:
        with suppress(OSError):
            self._plan(run, n, digest).unlink()

    def _plan(self, run: str, n: int, digest: str) -> Path:
        return self.folder / f"{file_name(run)}.{n}.{digest[:12]}.plan"


def file_name(run: str) -> str:
    """The run's id, or its hash if the id is not fit for a file name."""
    fit = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", run)
    return run if fit else hashlib.sha256(run.encode()).hexdigest()[:32]
