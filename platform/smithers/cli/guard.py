"""The process that runs the tasks, seen from the one that talks to the person.

A task may take its process with it: a fault in native code, `os._exit`, the kernel's memory killer, our own watchdog.
So tasks never run in the process that was started by the shell. That one stays small, shows what happens, and when the
other dies without a word it says so and starts it again; the log has kept everything that was stored.

The worker process is a group of its own, so that Ctrl-C reaches only us: tasks and the programs they run are not
interrupted by it but drained. Its standard streams come to us, so that what it prints cannot spoil an answer on
standard output, and breaks nothing when our reader has gone. They talk over a socket in lines of JSON:

    from the worker   {"ready": {...}}   the run is stored, and is being carried on
                      {"refused": {...}} an error; nothing was started, or starting failed
                      {"note": "..."}    something slow is going on
                      {"over": run}      a run has ended: a reason to look at the log at once
                      {"bye": true}      the process ends as it should
    to the worker     {"stop": seconds}  drain, then end
                      {"ring": run}      look at the log

When the socket ends, the other side is dead: the worker then ends at once, as it would have as one process with us.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from smithers.engine.entry import Json
from smithers.worker.order import Order

MODULE: Final = "smithers.cli.up.worker_process"
CHUNK: Final = 65_536


class WorkerProcess:
    """One worker process, waiting for its order. Everything here returns at once, except where it says otherwise.

    `label` is for people who look at the list of processes.
    """

    def __init__(self, label: str) -> None:
        mine, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-u", "-m", MODULE, str(theirs.fileno()), label],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                process_group=0,
            )
        finally:
            theirs.close()
            os.close(write_end)
        mine.setblocking(False)
        os.set_blocking(read_end, False)
        self.socket: Final = mine
        self.printed: Final = read_end
        self.said_bye = False
        self._pending = b""
        self._text = b""
        self._messages: deque[Json] = deque()
        self._is_open = {mine.fileno(): True, read_end: True}

    def give(self, order: Order) -> None:
        self.send(asdict(order))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def sources(self) -> list[int]:
        """File descriptors that become readable when there is something to take."""
        return [fd for fd, is_open in self._is_open.items() if is_open]

    def send(self, message: Json) -> None:
        with suppress(OSError):
            self.socket.setblocking(True)
            self.socket.sendall(json.dumps(message).encode() + b"\n")
            self.socket.setblocking(False)

    def messages(self) -> list[Json]:
        """What the worker has said since the last call."""
        self._pending += self._take(self.socket.fileno())
        *lines, self._pending = self._pending.split(b"\n")
        found: list[Json] = [json.loads(line) for line in lines if line]
        self.said_bye = self.said_bye or any("bye" in message for message in found)
        return found

    def printed_lines(self) -> list[str]:
        """Whole lines that the worker or its children have written since the last call; at the end the rest too."""
        self._text += self._take(self.printed)
        *lines, self._text = self._text.split(b"\n")
        if not self._is_open[self.printed] and self._text:
            lines, self._text = [*lines, self._text], b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def _take(self, fd: int) -> bytes:
        taken = b""
        while self._is_open[fd]:
            try:
                data = os.read(fd, CHUNK)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self._is_open[fd] = False
            taken += data
        return taken

    def death(self) -> str:
        """How the process ended, if it ended without saying so; empty while it runs and after an orderly end."""
        status = self.process.poll()
        if status is None:
            return ""
        self.messages()
        return "" if self.said_bye else ending(status)

    @property
    def is_gone(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """Ends the process and the programs that its tasks have started, at once. Waits until it is gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.socket.close()
        os.close(self.printed)


warm: Final[list[WorkerProcess]] = []
"""At most one: started before anybody knows what for, so that it imports while the command line is being parsed."""


def warm_up(label: str) -> None:
    warm.append(WorkerProcess(label))


def begin(order: Order) -> WorkerProcess:
    worker = warm.pop() if warm else WorkerProcess(order.run_id or order.file)
    worker.give(order)
    return worker


def cool_down() -> None:
    """Ends a worker process that got nothing to do."""
    while warm:
        worker = warm.pop()
        worker.kill()
        worker.close()


def ending(status: int) -> str:
    """A wait status in words."""
    if status >= 0:
        return f"ended itself with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = {"SIGKILL": " (by the kernel for want of memory, or by somebody)", "SIGSEGV": " (a fault in native code)"}
    return f"was killed by {name}{hint.get(name, '')}"


@dataclass(slots=True)
class Deaths:
    """How often the worker process may die. What brings a run on starts the count anew."""

    in_a_row: int = 0
    total: int = 0
    most_in_a_row: int = 4
    """A task is given up for dead after three deaths, and says so when its worker comes up the fourth time."""
    most: int = 25

    def one_more(self) -> bool:
        """Notes a death; whether the process may be started again."""
        self.in_a_row += 1
        self.total += 1
        return self.in_a_row <= self.most_in_a_row and self.total <= self.most

    def progress(self) -> None:
        self.in_a_row = 0

    def pause_s(self) -> float:
        """Before the next start: none after the first death, then longer and longer."""
        return 0.0 if self.in_a_row <= 1 else min(0.2 * 2.0 ** (self.in_a_row - 2), 5.0)


def wait_until_gone(worker: WorkerProcess, limit_s: float) -> bool:
    """Whether the process has ended within the limit. Blocks."""
    deadline = time.monotonic() + limit_s
    while not worker.is_gone and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker.is_gone
