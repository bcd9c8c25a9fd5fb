"""Looks at processes from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smithers.project import Project


@dataclass(frozen=True)
class Process:
    pid: int
    command: str

    @property
    def is_server(self) -> bool:
        return " server start-dev " in self.command

    @property
    def is_supervisor(self) -> bool:
        return "server.supervisor import main" in self.command


def processes_of(root: Path) -> list[Process]:
    """Supervisors and servers of a project, by what they were started with and where they are. No zombies."""
    found: list[Process] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            process = Process(int(folder.name), command)
            place = str((folder / "cwd").readlink())
            belongs = str(root) in command or place.startswith(str(root))
            if belongs and (process.is_server or process.is_supervisor):
                found.append(process)
    return found


def wait_until(condition: Callable[[], object], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.01)


COMMAND = """
import sys
from pathlib import Path
from smithers.project import Project
from smithers.temporal import local
server = local.ensure(Project(Path(sys.argv[1])))
print(server.address, server.supervisor_pid, flush=True)
sys.stdin.read()
"""


def start_command(project: Project) -> subprocess.Popen[str]:
    """A process that holds the project's server until its stdin ends, or it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(project.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(command: subprocess.Popen[str]) -> str:
    assert command.stdout is not None
    return command.stdout.readline()


def end(command: subprocess.Popen[str]) -> None:
    command.communicate(timeout=10)
