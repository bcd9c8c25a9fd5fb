"""The Temporal server as a child process: started on a free port, watched, started again, stopped.

Nothing here blocks for long: `advance` is called by the supervisor's loop whenever something happened or `next_at`
has come, and moves `state` on. States: starting (the process is there, its port not yet), ready, resting (it died and
waits for its next start), failed (for good; `failure` says why).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smithers.temporal.server import launch, ports
from smithers.temporal.server.log import note, tail
from smithers.temporal.server.places import DATABASE, Places
from smithers.temporal.server.restarts import Restarts

PROBE_EVERY_S = 0.005
START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
"""A stop takes 1.3 s. A server that does not leave is killed; its file survives that."""


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str


class TemporalProcess:
    def __init__(self, binary: Path, places: Places, allowed: range) -> None:
        self.binary = binary
        self.places = places
        self.allowed = allowed
        self.state: Literal["starting", "ready", "resting", "failed"] = "resting"
        self.failure: Failure | None = None
        self.port = 0
        self.restarts = Restarts()
        self.next_at: float | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._was_ready = False
        self._untried: list[int] = []

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def begin(self, preferred_port: int, root: str) -> None:
        self._untried = ports.candidates(self.allowed, preferred_port, root)
        self._start_on_next_port()

    def advance(self) -> None:
        now = time.monotonic()
        if self._child and self._child.poll() is not None:
            self._died(now)
        elif self.state == "starting":
            self._probe(now)
        elif self.state == "resting" and self.next_at is not None and now >= self.next_at:
            self._start()

    def _start_on_next_port(self) -> None:
        while self._untried:
            self.port = self._untried.pop(0)
            if ports.is_free(self.port):
                return self._start()
        first, last = self.allowed[0], self.allowed[-1]
        self._fail(
            "TEMPORAL_UNAVAILABLE",
            f"No free port for the local Temporal server: all of {first}-{last} on 127.0.0.1 are in use. "
            "Other projects' servers or other programs hold them. "
            "Stop some, or choose another range: SMITHERS_SERVER_PORTS=18000-18099.",
        )

    def _start(self) -> None:
        self.next_at = self._started_at = time.monotonic()
        self.state = "starting"
        try:
            command = launch.serve(self.binary, self.port)
            self._child = launch.spawn(command, self.places.folder, self.places.server_log)
        except (OSError, subprocess.SubprocessError) as error:
            self._fail("SERVER_ERROR", f"The Temporal binary {self.binary} cannot be started: {error}.")

    def _probe(self, now: float) -> None:
        if ports.answers(self.port) and ports.is_owner(self.pid, self.port):
            self.state, self.next_at, self._was_ready = "ready", None, True
        elif now - self._started_at > START_LIMIT_S:
            self.kill()
            self._fail("TEMPORAL_UNAVAILABLE", self._story(f"did not open its port within {START_LIMIT_S:.0f} s"))
        else:
            self.next_at = now + PROBE_EVERY_S

    def _died(self, now: float) -> None:
        assert self._child is not None
        status, self._child = self._child.returncode, None
        note(f"the server ended with status {status} after {now - self._started_at:.1f} s")
        if not self._was_ready and status > 0:
            # Most likely another program took the port between our look at it and the server's bind.
            if not ports.is_free(self.port):
                return self._start_on_next_port()
            return self._fail("SERVER_ERROR", self._story(f"ended at its start (status {status})"))
        delay = self.restarts.after(now - self._started_at)
        if delay is None or not ports.is_free(self.port):
            return self._fail("TEMPORAL_UNAVAILABLE", self._story(f"cannot be kept running (status {status})"))
        self.state, self.next_at = "resting", now + delay

    def refuse(self, code: str, message: str) -> None:
        """Marks the server as one that is not to be started at all."""
        self._fail(code, message)

    def _fail(self, code: str, message: str) -> None:
        self.state, self.next_at, self.failure = "failed", None, Failure(code, message)
        note(message)

    def _story(self, what: str) -> str:
        log = self.places.server_log
        return (
            f"The local Temporal server {what}.\nThe end of {log}:\n{tail(log)}\n"
            f"If its data is damaged, move {self.places.database}* away and try again: nothing is lost, "
            "as runs live in the store and are driven again from there."
        )

    def stop(self) -> None:
        """Asks the server to leave, waits, and kills it in the end."""
        if not self._child:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self._child:
            self._child.kill()
            self._child.wait()
            self._child = None


def end_orphan(pid: int, limit_s: float = 2.0) -> None:
    """Kills a server that an earlier supervisor of this folder left, and waits until it is gone.

    On Linux the kernel kills it with its supervisor, but a moment after it has released that supervisor's lock.
    """
    deadline = time.monotonic() + limit_s
    while pid > 1 and _is_server(pid) and time.monotonic() < deadline:
        os.kill(pid, signal.SIGKILL)
        time.sleep(PROBE_EVERY_S)


def _is_server(pid: int) -> bool:
    """Whether the process is a server started by `launch.serve`; a pid may have been given to another program."""
    proc = Path(f"/proc/{pid}")
    try:
        if proc.parent.joinpath("self").exists():
            command = proc.joinpath("cmdline").read_bytes().replace(b"\0", b" ")
        else:
            command = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout
    except OSError:
        return False
    return b" server start-dev " in command and f"--db-filename {DATABASE} ".encode() in command
