"""One small process per project that owns the local Temporal server.

Idea. A development server that each command starts for itself collides with the next command; one that a command
leaves behind is never stopped. So the server belongs to a process of its own, which exists because somebody needs it:

- It is *the* supervisor because it holds a lock on `.smithers/server/lock`. The command that starts it takes the lock
  and binds the socket first and hands both over as open files. So there is no moment in which two are started, and
  nobody polls: a command connects at once, and its `hello` is answered when the server is ready.
- Commands hold a connection. Who is there is known from the kernel, not from a counter that a crash leaves wrong.
- When nobody has held one for a minute, and no open timer asked it to stay (`keep_until`), it stops the server and
  leaves. Whatever waits in the store is driven again when somebody comes back.
- The kernel kills the server when the supervisor dies; a server that dies is started again on the same port and data.
- Once a second it looks whether the lock at its path is still its own. A project folder that was moved or deleted has
  lost its server: this one is killed, and the next command at the new place starts another, on the data that moved.

Alternatives. A pid file with a counter (wrong after a crash), the server in the first command's process (dies with
that command while others use it), a service of the system (has to be installed, one for all projects).

Costs. About 15 MB and one wake-up a second. It imports neither temporalio nor asyncio, runs with a small environment
and one thread (the kernel ties the server's life to the thread that started it).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from smithers.temporal.server import stamp as stamps
from smithers.temporal.server import wire
from smithers.temporal.server.namespaces import Namespaces
from smithers.temporal.server.orders import Orders
from smithers.temporal.server.places import Places, read_json, write_json
from smithers.temporal.server.process import TemporalProcess, end_orphan
from smithers.temporal.server.stamp import Stamp

LOOK_EVERY_S = 1.0
FIRST_HELLO_S = 2.0
"""How long a new supervisor waits for the command that started it."""

LOG_LIMIT_BYTES = 8 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Peer:
    """One connection."""

    socket: socket.socket
    received: bytes = b""
    holds: bool = False
    waits_for: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Hellos not answered yet, as the server is not ready."""


class Supervisor:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.places = Places(Path(orders.folder))
        self.server = TemporalProcess(
            Path(orders.binary), self.places, range(orders.first_port, orders.last_port + 1)
        )
        self.listener = socket.socket(fileno=orders.listener)
        self.selector = selectors.DefaultSelector()
        self.peers: set[Peer] = set()
        self.namespaces = Namespaces(self.server)
        self.stamp = Stamp()
        self.started = time.time()
        self.keep_until = 0.0
        self.unheld_since = time.monotonic() + FIRST_HELLO_S
        self.next_look = 0.0
        self.leaving: str = ""

    def run(self) -> None:
        self._listen()
        self._begin()
        while not self.leaving:
            for key, _ in self.selector.select(self._patience()):
                key.data(key.fileobj)
            self._advance()
        self._leave()

    # ---- the loop's parts

    def _listen(self) -> None:
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._woken = woken  # kept open
        self.selector.register(wake, selectors.EVENT_READ, self._woke)
        signal.signal(signal.SIGCHLD, _ignore)  # its arrival wakes the loop
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_leave)

    def _woke(self, wake: socket.socket) -> None:
        wake.recv(512)

    def _told_to_leave(self, number: int, _: FrameType | None) -> None:
        self._quit(f"signal {number}")

    def _begin(self) -> None:
        end_orphan(_number(read_json(self.places.state).get("server_pid")))
        _trim(self.places.log)
        self.stamp = Stamp.read(self.places)
        binary = self.server.binary
        try:
            if self.places.database.exists():
                self.stamp = stamps.settle(self.stamp, self.places, binary)
            self.namespaces.begin(self.stamp.namespaces)
            self.server.begin(self.stamp.port, self.orders.root)
            if not self.stamp.binary:  # no data yet: the version is only for the stamp, and the server boots meanwhile
                self.stamp = stamps.settle(self.stamp, self.places, binary)
        except (stamps.NewerData, OSError) as error:
            self.server.refuse("SERVER_ERROR", str(error))

    def _patience(self) -> float:
        """Seconds until something has to be looked at without an event."""
        times = [self.next_look]
        if self.server.next_at is not None:
            times.append(self.server.next_at)
        if not self.peers:
            times.append(self._leave_at())
        return max(0.0, min(times) - time.monotonic())

    def _advance(self) -> None:
        was_ready = self.server.state == "ready"
        self.server.advance()
        if self.server.state == "ready" and not was_ready:
            self._ready()
        self._answer_waiting()
        if self.namespaces.advance():
            self._write_stamp()
        if self.server.failure:
            self._quit("the server failed")
        now = time.monotonic()
        if now >= self.next_look:
            self.next_look = now + LOOK_EVERY_S
            self._look()
        if not self.peers and now >= self._leave_at():
            self._quit("nobody needs it")

    def _leave_at(self) -> float:
        """When to leave if nobody comes, on the monotonic clock; the timers of others are on the wall clock."""
        open_timer_s = self.keep_until - time.time()
        return max(self.unheld_since + self.orders.linger_s, time.monotonic() + open_timer_s)

    def _look(self) -> None:
        _trim(self.places.server_log)
        if not self._is_at_home():
            self.server.kill()  # not stopped: what it would still write could go to a path that is not ours any more
            self._quit("its folder was moved or deleted")

    def _is_at_home(self) -> bool:
        mine = os.fstat(self.orders.lock)
        try:
            there = self.places.lock.stat()
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _ready(self) -> None:
        self.stamp = replace(self.stamp, port=self.server.port)
        self._write_stamp()
        write_json(self.places.state, self._status())
        print(f"ready at {self.server.address} (pid {self.server.pid})", flush=True)

    def _write_stamp(self) -> None:
        self.stamp = replace(self.stamp, namespaces=dict(self.namespaces.done))
        self.stamp.write(self.places)

    def _quit(self, why: str) -> None:
        self.leaving = self.leaving or why

    def _leave(self) -> None:
        print(f"leaving: {self.leaving}", flush=True)
        self.listener.close()
        at_home = self._is_at_home()
        if at_home:
            # Before the server stops, so that new commands wait for the lock and not for this socket.
            self.places.socket.unlink(missing_ok=True)
        self.server.stop()
        if at_home:
            self.places.state.unlink(missing_ok=True)
        # The end of this process closes the connections and gives up the lock, in this order or not: both mean gone.

    # ---- connections

    def _accept(self, _: Any) -> None:
        try:
            connection, _address = self.listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        peer = Peer(connection)
        self.peers.add(peer)
        self.selector.register(connection, selectors.EVENT_READ, partial(self._read, peer))

    def _read(self, peer: Peer, _: Any) -> None:
        try:
            chunk = peer.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        peer.received += chunk
        if not chunk or len(peer.received) > wire.LONGEST_LINE:
            return self._drop(peer)
        *lines, peer.received = peer.received.split(b"\n")
        for line in lines:
            self._handle(peer, line)

    def _handle(self, peer: Peer, line: bytes) -> None:
        try:
            message = wire.decode(line)
        except ValueError as error:
            return self._send(peer, _refusal("INPUT_ERROR", f"Not a request: {error}"))
        match message.get("op"):
            case "hello":
                peer.holds = True
                peer.waits_for.append(message)
            case "keep_until":
                self.keep_until = max(self.keep_until, float(message.get("at") or 0.0))
                self._send(peer, {"keep_until": self.keep_until})
            case "status":
                self._send(peer, self._status())
            case "stop":
                self._send(peer, {"stopping": True})
                self._quit("asked to stop")
            case other:
                self._send(peer, _refusal("INPUT_ERROR", f"Unknown request {other!r}"))

    def _answer_waiting(self) -> None:
        if self.server.state not in ("ready", "failed"):
            return
        for peer in [peer for peer in self.peers if peer.waits_for]:
            waiting, peer.waits_for = peer.waits_for, []
            for hello in waiting:
                self._send(peer, self._welcome(hello))

    def _welcome(self, hello: dict[str, Any]) -> dict[str, Any]:
        if self.server.failure:
            return _refusal(self.server.failure.code, self.server.failure.message)
        problem = self.namespaces.need(str(hello.get("namespace") or "default"))
        if problem:
            return _refusal("SERVER_ERROR", problem)
        return {
            "address": self.server.address,
            "pid": os.getpid(),
            "version": self.stamp.server,
            "root": self.orders.root,
        }

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "server_pid": self.server.pid,
            "address": self.server.address,
            "state": self.server.state,
            "version": self.stamp.server,
            "binary": str(self.server.binary),
            "root": self.orders.root,
            "started": self.started,
            "holders": self._holders(),
            "keep_until": self.keep_until,
            "linger_s": self.orders.linger_s,
            "restarts": self.server.restarts.total,
        }

    def _holders(self) -> int:
        return sum(peer.holds for peer in self.peers)

    def _send(self, peer: Peer, message: dict[str, Any]) -> None:
        try:
            peer.socket.sendall(wire.encode(message))
        except OSError:  # gone, or it does not read: nobody we could serve
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        if peer not in self.peers:
            return
        self.peers.discard(peer)
        self.selector.unregister(peer.socket)
        peer.socket.close()
        if peer.holds and not self._holders():
            self.unheld_since = time.monotonic()


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _ignore(_: int, __: FrameType | None) -> None:
    pass


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _trim(log: Path) -> None:
    """Empties a log that grew too long; its writers append, so they go on at its new end."""
    try:
        if log.stat().st_size > LOG_LIMIT_BYTES:
            os.truncate(log, 0)
    except OSError:
        pass


def main() -> None:
    """Runs with the orders in the last argument. The working directory is the server's folder."""
    if os.fork():  # the command that started us waits for this half only
        os._exit(0)
    os.umask(0o077)
    Supervisor(Orders(**json.loads(sys.argv[-1]))).run()


if __name__ == "__main__":
    main()
