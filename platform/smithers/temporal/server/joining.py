"""One command's way to the local server: join the supervisor there is, or start one, or wait for one that leaves."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Any, Self

from smithers.errors import InputError, ServerError, SmithersError, TemporalMissing, TemporalUnavailable
from smithers.project import Project
from smithers.temporal.server import starting, wire
from smithers.temporal.server.binary import Say, find
from smithers.temporal.server.log import tail
from smithers.temporal.server.orders import Settings
from smithers.temporal.server.places import Places

WAIT_LIMIT_S = 90.0
"""A start takes 0.1 to 0.4 s. On an overloaded machine the supervisor itself gives up after 60 s."""

TRY_EVERY_S = 0.01
"""How often a command looks while another one starts a supervisor, or one leaves."""

START_LIMIT = 12
"""A supervisor that starts and dies without an answer so often does not get better."""


class LocalServer:
    """A Temporal server that stays at least until `close`, or the end of this process."""

    def __init__(self, address: str, hold: socket.socket | None = None, welcome: dict[str, Any] | None = None) -> None:
        self.address = address
        self.hold = hold
        """The connection; None for a server that is not ours to keep. Readable means that the supervisor leaves."""
        self.version = str((welcome or {}).get("version", ""))
        self.supervisor_pid = int((welcome or {}).get("pid", 0))

    @property
    def is_lost(self) -> bool:
        """Whether the supervisor has left or died: `ensure` gets another, most likely with the same address."""
        if self.hold is None:
            return False
        try:
            self.hold.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass  # closed or reset
        return True

    def keep_until(self, at: float, reason: str = "") -> None:
        """Asks the server to stay until then (epoch seconds), even if nobody holds it: for an open timer.

        With a `reason` it takes the place of what was asked for the same reason before (0 takes that back), and later
        supervisors know it, too: for schedules. Raises ConnectionError when the supervisor is gone.
        """
        if self.hold is not None:
            wire.ask(self.hold, {"op": "keep_until", "at": at, "reason": reason})

    def close(self) -> None:
        """Lets the server go. It stops after a while if nobody else holds it. May be called twice."""
        if self.hold is not None:
            self.hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Joining:
    """One command's way to a server: connect, or start a supervisor, or wait for one that comes or goes."""

    def __init__(self, project: Project, say: Say | None) -> None:
        self.project = project
        self.say = say
        self.places = Places.of(project.state)
        self.settings = _settings()
        self.deadline = time.monotonic() + WAIT_LIMIT_S
        self.starts = 0

    def connect(self) -> socket.socket:
        """A connection on which hello has been said."""
        while True:
            connection = starting.connect(self.places) or self._start()
            if connection is not None and self._say_hello(connection):
                return connection
            if time.monotonic() > self.deadline:
                raise TemporalUnavailable(self._nobody_answers())
            time.sleep(TRY_EVERY_S)

    def finish(self, connection: socket.socket) -> LocalServer:
        server = self._wait(connection)
        while server is None:
            server = self._wait(self.connect())
        return server

    def _start(self) -> socket.socket | None:
        if starting.is_locked(self.places):
            return None
        if self.starts >= START_LIMIT:
            log = self.places.log
            raise ServerError(f"The local server's supervisor ends at its start.\nThe end of {log}:\n{tail(log)}")
        began = time.monotonic()
        binary = find(self.say)
        self.deadline += time.monotonic() - began  # getting it may take minutes, and that is not waiting
        connection = starting.start(self.project.root, self.places, binary, self.settings)
        self.starts += connection is not None
        return connection

    def _say_hello(self, connection: socket.socket) -> bool:
        try:
            connection.sendall(wire.encode({"op": "hello", "namespace": self.project.namespace}))
        except OSError:
            connection.close()
            return False
        return True

    def _wait(self, connection: socket.socket) -> LocalServer | None:
        """The server once it is ready; None when that supervisor was just leaving."""
        try:
            connection.settimeout(max(0.1, self.deadline - time.monotonic()))
            answer = wire.answer(connection)
        except wire.Gone:
            connection.close()
            return None
        except TimeoutError:
            connection.close()
            raise TemporalUnavailable(self._nobody_answers()) from None
        if "error" in answer:
            connection.close()
            raise _error(answer["error"])
        connection.settimeout(None)
        return LocalServer(answer["address"], connection, answer)

    def _nobody_answers(self) -> str:
        return (
            f"The supervisor of the local Temporal server did not answer for {WAIT_LIMIT_S:.0f} s. {self.places.state} "
            f"says who it is, {self.places.log} what it did. Most likely it is suspended or the machine is overloaded: "
            "end that process and try again."
        )


def _settings() -> Settings:
    try:
        return Settings.read()
    except ValueError as error:
        raise InputError(str(error)) from None


def _error(error: dict[str, str]) -> SmithersError:
    kinds = {kind.code: kind for kind in (TemporalUnavailable, TemporalMissing, InputError)}
    return kinds.get(error["code"], ServerError)(error["message"])
