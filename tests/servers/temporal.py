"""A Temporal server of a test's own: with settings of its own, which may be killed and lose its data."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from smithers.temporal.server import binary, launch
from tests.missing import missing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
