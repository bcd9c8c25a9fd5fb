"""Which process is meant, so that nobody takes a new process for a dead one.

A process id is used again after a while, and in every container. With the boot, the namespace and the start time it
names one process for good, and a process on the same machine can be asked for.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from zlib import crc32

Standing = Literal["alive", "gone", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Identity:
    boot: str
    space: str
    """The pid namespace."""
    pid: int
    born: str
    """The process's start, in whatever the system counts."""

    @property
    def place(self) -> str:
        """Processes of one place can see each other."""
        return f"{self.boot}.{self.space}"

    def __str__(self) -> str:
        return f"{self.boot}.{self.space}.{self.pid}.{self.born}"

    @staticmethod
    def read(text: str) -> Identity | None:
        parts = text.split(".")
        if len(parts) != 4 or not parts[2].isdigit():
            return None
        return Identity(parts[0], parts[1], int(parts[2]), parts[3])

    def standing(self) -> Standing:
        """alive, gone, or `elsewhere` where it cannot be seen from here."""
        here = own()
        if self.space != here.space:
            return "elsewhere"
        if self.boot != here.boot:
            return "gone" if machine_of(self.boot) == machine_of(here.boot) else "elsewhere"
        return "alive" if born(self.pid) == self.born else "gone"


def machine_of(boot: str) -> str:
    return boot.partition("-")[0]


@cache
def _own(pid: int) -> Identity:
    return Identity(_boot(), _space(), pid, born(pid))


def own() -> Identity:
    """This process. Safe after a fork."""
    return _own(os.getpid())


def born(pid: int) -> str:
    """When the process began; empty if there is none, or only a zombie."""
    if sys.platform != "linux":
        return _born_by_ps(pid)
    try:
        # The name in parentheses may hold anything, so fields are counted from its end.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _born_by_ps(pid: int) -> str:
    import subprocess

    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "".join(character for character in shown.stdout if character.isalnum())


def _boot() -> str:
    """Machine and boot, in digits and letters."""
    boot = _first_line("/proc/sys/kernel/random/boot_id").replace("-", "")[:12]
    # Images are copied with their machine id, so the host name goes in as well.
    machine = crc32(f"{_first_line('/etc/machine-id')}@{os.uname().nodename}".encode())
    return f"{machine:08x}-{boot or 'b'}"


def _space() -> str:
    try:
        return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return "0"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
