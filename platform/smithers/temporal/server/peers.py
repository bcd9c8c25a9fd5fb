"""The supervisor's connections: bytes in, requests out, and who of them holds the server."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from smithers.temporal.server import wire

Request = dict[str, Any]


@dataclass(slots=True, eq=False)
class Peer:
    """One connection."""

    socket: socket.socket
    received: bytes = b""
    holds: bool = False
    hellos: list[Request] = field(default_factory=list[Request])
    """Not answered yet, as the server is not ready."""


class Peers:
    def __init__(
        self, listener: socket.socket, selector: selectors.BaseSelector, handle: Callable[[Peer, Request], None]
    ) -> None:
        self.listener = listener
        self.selector = selector
        self.handle = handle
        self.all: set[Peer] = set()
        self.unheld_since = time.monotonic()
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    @property
    def holders(self) -> int:
        return sum(peer.holds for peer in self.all)

    def close(self) -> None:
        """Takes no new connections; those that are open stay so until the process ends."""
        self.selector.unregister(self.listener)
        self.listener.close()

    def send(self, peer: Peer, message: dict[str, Any]) -> None:
        try:
            peer.socket.sendall(wire.encode(message))
        except OSError:  # gone, or it does not read its answers: nobody we could serve
            self._drop(peer)

    def say_farewell(self, why: str) -> None:
        """Tells the holders that this is no accident; those who wait for the server notice by themselves."""
        for peer in [peer for peer in self.all if peer.holds and not peer.hellos]:
            self.send(peer, {"leaving": why})

    def _accept(self, _: Any) -> None:
        try:
            connection, _address = self.listener.accept()
        except OSError:
            return  # it gave up already
        connection.setblocking(False)
        peer = Peer(connection)
        self.all.add(peer)
        self.selector.register(connection, selectors.EVENT_READ, partial(self._read, peer))

    def _read(self, peer: Peer, _: Any) -> None:
        if peer not in self.all:
            return  # dropped by an event of the same round
        try:
            chunk = peer.socket.recv(wire.LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        *lines, peer.received = (peer.received + chunk).split(b"\n")
        for line in lines:
            self._take(peer, line)
        if not chunk or len(peer.received) > wire.LONGEST_LINE:
            self._drop(peer)

    def _take(self, peer: Peer, line: bytes) -> None:
        try:
            self.handle(peer, wire.decode(line))
        except (ValueError, TypeError) as error:
            self.send(peer, wire.refusal("INPUT_ERROR", f"not a request: {error}"))

    def _drop(self, peer: Peer) -> None:
        if peer in self.all:
            self.all.discard(peer)
            self.selector.unregister(peer.socket)
            peer.socket.close()
            if peer.holds:
                self.unheld_since = time.monotonic()
