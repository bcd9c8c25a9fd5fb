"""The real command line as a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("smithers")
LIMIT_S = 60.0


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer, if it is one clean JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


def environment() -> dict[str, str]:
    """Ours, without what would point the command somewhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMITHERS_", "TEMPORAL_"))}
    kept |= {name: os.environ[name] for name in ("SMITHERS_TEMPORAL_CLI",) if name in os.environ}
    return kept | {"USER": "ann", "NO_COLOR": "1"}


@dataclass
class Shell:
    """A folder, and what is run in it."""

    root: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(PROGRAM), *words],
            cwd=self.root,
            env=environment() | options.pop("env", {}),
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            start_new_session=True,
            **options,
        )
        self.running.append(process)
        return process

    def call(self, *words: str, **options: Any) -> Result:
        return self.result(self.begin(*words, **options))

    def result(self, process: subprocess.Popen[str], limit_s: float = LIMIT_S) -> Result:
        out, err = process.communicate(timeout=limit_s)
        return Result(process.returncode, out or "", err or "")

    def until(self, holds: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Waits for a condition and returns what it gave."""
        deadline = time.monotonic() + limit_s
        while not (found := holds()):
            assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
            time.sleep(0.02)
        return found

    def status(self, run: str) -> str:
        result = self.call("inspect", run, "--format", "json")
        return result.json.get("status", "")

    def processes(self) -> dict[int, str]:
        """Those that work in our folder, with their command lines: also the ones that went into the background."""
        found: dict[int, str] = {}
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(self.root):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def close(self) -> None:
        """Nothing of ours survives a test. Killing is quicker than stopping, which has tests of its own."""
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self.running:
                process.communicate()
            time.sleep(0.01)
