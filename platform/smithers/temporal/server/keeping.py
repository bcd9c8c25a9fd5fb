"""A hold that outlives supervisors, for processes that live long."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

from smithers.errors import SmithersError
from smithers.project import Project
from smithers.temporal.server import starting, wire
from smithers.temporal.server.joining import Joining, LocalServer
from smithers.temporal.server.places import Places

log = logging.getLogger(__name__)

PAUSES_S = (0.1, 0.5, 2.0, 5.0)
"""Before each further try; the last one again and again."""


class KeptServer:
    """A server whose supervisor is replaced when it dies.

    A supervisor that leaves in good order (it was told to stop, the folder was moved) says so, and is not replaced:
    whoever stops the server means it. `is_lost` is true then.
    """

    def __init__(self, project: Project, server: LocalServer) -> None:
        self.project = project
        self.server = server
        self._wake, self._woken = socket.socketpair()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="smithers-local-server", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Changes only when another program took the port in the moment between two supervisors."""
        return self.server.address

    @property
    def is_lost(self) -> bool:
        return not self._thread.is_alive() and self.server.is_lost

    def keep_until(self, at: float, reason: str = "") -> None:
        """As `LocalServer.keep_until`, on a connection of its own: the watch reads the held one."""
        connection = starting.connect(Places.of(self.project.state)) if self.server.hold else None
        if connection is not None:
            with connection:
                wire.ask(connection, {"op": "keep_until", "at": at, "reason": reason})

    def close(self) -> None:
        """Lets the server go. May be called twice."""
        self._closing.set()
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self) -> None:
        while (hold := self.server.hold) is not None:
            _wait_for(hold, self._woken)
            if self._closing.is_set() or wire.said_farewell(hold):
                return
            log.warning("the local Temporal server's supervisor is gone; starting another")
            hold.close()
            if not self._replace():
                return

    def _replace(self) -> bool:
        """Tries until there is a server or nobody wants one any more."""
        tries = 0
        while not self._closing.is_set():
            try:
                joining = Joining(self.project, None)
                self.server = joining.finish(joining.connect())  # a close meanwhile waits for it, and closes it
            except SmithersError as error:
                log.warning("no local Temporal server yet: %s", error)
                self._closing.wait(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
            else:
                return True
        return False


def _wait_for(*sockets: socket.socket) -> None:
    """Returns when one of them is readable or ended."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        selector.select()
