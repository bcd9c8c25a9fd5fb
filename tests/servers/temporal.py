"""Temporal servers: one that many tests share, and one of a test's own, which may be killed and lose its data."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.server import binary, launch
from tests.missing import missing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def shared() -> Iterator[str]:
    """The address of a server for as many projects as wanted; their names must differ, and their runs' ids."""
    if binary.at_hand() is None:
        missing("temporal", "no Temporal binary; `python -m smithers.temporal.server.binary` gets one")
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as name:
        project = Project(Path(name).resolve())
        with local.ensure(project) as there:
            yield there.address
        local.stop(project)


@dataclass
class OwnServer:
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it takes connections."""
        found = binary.at_hand()
        if found is None:
            missing("temporal", "no Temporal binary; `python -m smithers.temporal.server.binary` gets one")
        self.folder.mkdir(exist_ok=True)
        command = launch.serve(found, self.port)
        for key, value in self.settings.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        self.process = launch.spawn(command, self.folder, self.folder / "log")
        deadline = time.monotonic() + 20
        while not self.answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def lose_everything(self) -> None:
        """It is killed, and comes back without its data."""
        self.kill()
        shutil.rmtree(self.folder)
        self.start()
