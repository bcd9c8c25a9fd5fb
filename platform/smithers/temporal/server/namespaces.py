"""The namespaces of the local server, and how long they keep closed runs."""

from __future__ import annotations

import re
import subprocess
import time

from smithers.temporal.server import launch
from smithers.temporal.server.log import tail
from smithers.temporal.server.process import TemporalProcess

SETTLED_S = 2.0
"""After the server got ready: its first user is at work then, and wants the processors for itself."""


class Namespaces:
    """Runs `temporal operator namespace ...`; once for each namespace and data file, as the stamp remembers it.

    The retention is set behind the readers' backs while the server is in use already (80 ms that nobody waits for).
    """

    def __init__(self, server: TemporalProcess) -> None:
        self.server = server
        self.done: dict[str, str] = {}
        self._known: set[str] = {"default"}
        self._pending: list[str] = ["default"]
        self._running: tuple[str, subprocess.Popen[bytes]] | None = None
        self._ready_at: float | None = None

    def begin(self, stamped: dict[str, str]) -> None:
        self.done = dict(stamped)
        self._known |= set(stamped)
        self._pending = [name for name in self._known if self.done.get(name) != launch.RETENTION]

    def need(self, name: str) -> str:
        """Makes a namespace that is not there yet (100 ms). Returns what is wrong, or nothing."""
        if name in self._known:
            return ""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", name):
            return f"TEMPORAL_NAMESPACE is {name!r}; a namespace's name has letters, digits, dots, dashes, underscores."
        child = self._start("create", name)
        if child.wait() != 0:
            log = self.server.places.log
            return f"The namespace {name!r} could not be made.\nThe end of {log}:\n{tail(log)}"
        self._known.add(name)
        self.done[name] = launch.RETENTION
        return ""

    def advance(self) -> bool:
        """Goes on with the pending ones; True when something got done. To be called once a second or more often."""
        if self._running:
            name, child = self._running
            status = child.poll()
            if status is None:
                return False
            self._running = None
            if status == 0:
                self.done[name] = launch.RETENTION
                return True
        if self._pending and self._is_settled():
            name = self._pending.pop()
            self._running = (name, self._start("update", name))
        return False

    def _is_settled(self) -> bool:
        if self.server.state != "ready":
            self._ready_at = None
        elif self._ready_at is None:
            self._ready_at = time.monotonic()
        return self._ready_at is not None and time.monotonic() - self._ready_at >= SETTLED_S

    def _start(self, verb: str, name: str) -> subprocess.Popen[bytes]:
        server = self.server
        command = launch.namespace_command(server.binary, server.port, verb, name)
        return launch.spawn(command, server.places.folder, server.places.log)
