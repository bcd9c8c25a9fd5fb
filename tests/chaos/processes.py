"""Processes as the kernel shows them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    born: float
    """Since the epoch, to about a hundredth of a second."""
    state: str
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.state}): {self.command}"


def process(pid: int) -> Process | None:
    """None if there is none, or only a zombie."""
    folder = Path(f"/proc/{pid}")
    try:
        # The name in parentheses may hold anything, so fields are counted from its end.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[1]), boot_time() + int(fields[19]) * CLOCK_TICK_S, fields[0], command)


def boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def everyone() -> Iterator[Process]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (found := process(int(folder.name))) is not None:
            yield found


def descendants(pid: int) -> list[Process]:
    everybody = list(everyone())
    found = [one for one in everybody if one.parent == pid]
    for one in found:
        found += [child for child in everybody if child.parent == one.pid]
    return found


def inside(folder: Path) -> list[Process]:
    """Those that work in a folder, or were started with its name. Not ourselves."""
    return [one for one in everyone() if one.pid != os.getpid() and belongs(one, str(folder))]


def belongs(one: Process, folder: str) -> bool:
    if folder in one.command:
        return True
    try:
        return str(Path(f"/proc/{one.pid}/cwd").readlink()).startswith(folder)
    except OSError:
        return False


def kill(*pids: int, number: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def is_gone(pid: int) -> bool:
    return process(pid) is None


def until(holds: Callable[[], T | None], what: str, within_s: float = 60.0, *, tell: Callable[[], str] = str) -> T:
    """Waits for a condition and returns what it gave. `tell` says what is there instead."""
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}\n{tell()}"
        time.sleep(0.01)
    return found
