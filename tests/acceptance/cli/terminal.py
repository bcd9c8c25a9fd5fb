"""A terminal with a person at it: what is on the screen, and keys that are typed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.cli.running import PROGRAM, environment

ROWS, COLUMNS = 30, 100
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """Runs one command on a pseudo-terminal of its own."""

    root: Path
    words: tuple[str, ...]
    seen: str = ""
    process: subprocess.Popen[bytes] = field(init=False)
    master: int = field(init=False)
    slave: int = field(init=False)

    def __post_init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        variables = {name: value for name, value in environment().items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [str(PROGRAM), *self.words],
            cwd=self.root,
            env=variables | {"TERM": "xterm-256color"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  this process has one thread
        )

    def read(self, limit_s: float) -> None:
        ready, _, _ = select.select([self.master], [], [], limit_s)
        if ready:
            self.seen += ESCAPES.sub("", os.read(self.master, 65_536).decode(errors="replace"))

    def until(self, text: str, limit_s: float = 60) -> None:
        """Waits until a text has been on the screen."""
        deadline = time.monotonic() + limit_s
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not appear in:\n{self.seen[-3000:]}"
            self.read(0.1)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self, limit_s: float = 60) -> int:
        deadline = time.monotonic() + limit_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.seen[-3000:]}"
            self.read(0.05)
        self.read(0.1)
        return self.process.returncode

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as it did in the beginning."""
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
