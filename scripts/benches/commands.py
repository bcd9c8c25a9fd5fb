"""Our command line as a person uses it: processes in folders of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benches.place import FLOWS, SMITHERS

PATIENCE_S = 300.0


def planted(folder: Path, flow: str) -> Path:
    """A copy of a workflow file in a folder, which thereby is a project."""
    return Path(shutil.copy(FLOWS / f"{flow}.py", folder))


def up(folder: Path, *words: str, input: dict[str, Any] | None = None) -> subprocess.Popen[bytes]:
    """`smithers up` in a session of its own, so that all its processes can be ended together."""
    given = ["--input", json.dumps(input)] if input is not None else []
    log = (folder / "up.log").open("ab")
    try:
        return subprocess.Popen(
            [*SMITHERS, "up", *words, *given, "--format", "plain"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        log.close()


def ended(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Waits for a command. Raises if it did not go well, with what it said."""
    status = process.wait(PATIENCE_S)
    if status != 0:
        raise RuntimeError(f"smithers up ended with {status}:\n{(folder / 'up.log').read_text()[-2000:]}")


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for a command and the worker it has started; the local server is a session of its own and stays."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(holds: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    """Looks every 10 ms: nothing is measured by when this returns."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.01)
