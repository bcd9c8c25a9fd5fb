"""One small process per project that owns the local Temporal server.

Idea. A development server that each command starts for itself collides with the next command; one that a command
leaves behind is never stopped. So the server belongs to a process of its own, which exists because somebody needs it:

- It is *the* supervisor because it holds a lock on `.smithers/server/lock`. The command that starts it takes the lock
  and binds the socket first and hands both over as open files. So there is no moment in which two are started, and
  nobody polls: a command connects at once, and its `hello` is answered when the server is ready.
- Commands hold a connection. Who is there is known from the kernel, not from a counter that a crash leaves wrong.
- When nobody has held one for a minute, and no open timer or schedule asked it to stay (`keep_until`), it stops the
  server and leaves. Whatever waits in the store is driven again when somebody comes back.
- The kernel kills the server when the supervisor dies; a server that dies is started again on the same port and data.
- Once a second it looks whether the lock at its path is still its own. A project folder that was moved or deleted has
  lost its server: this one is killed, and the next command at the new place starts another, on the data that moved.
- Holders are told when it leaves on purpose, so that a worker (`keeping`) replaces one that died and no other.

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
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from smithers.temporal.server import wire
from smithers.temporal.server.log import note, trim
from smithers.temporal.server.namespaces import Namespaces
from smithers.temporal.server.orders import Orders
from smithers.temporal.server.peers import Peer, Peers, Request
from smithers.temporal.server.places import Places, read_json, write_json
from smithers.temporal.server.process import TemporalProcess, end_orphan
from smithers.temporal.server.stamp import NewerData, Stamp, has_data, settle

AWAY = "its folder was moved or deleted"

LOOK_EVERY_S = 1.0
FIRST_HELLO_S = 2.0
"""How long a new supervisor waits for the command that started it."""


class Supervisor:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.places = Places(Path(orders.folder))
        allowed = range(orders.first_port, orders.last_port + 1)
        self.server = TemporalProcess(Path(orders.binary), self.places, allowed)
        self.namespaces = Namespaces(self.server)
        self.selector = selectors.DefaultSelector()
        self.peers = Peers(socket.socket(fileno=orders.listener), self.selector, self._handle)
        self.stamp = Stamp()
        self.started = time.time()
        self.begun = time.monotonic()
        self.keep_until = 0.0
        self.next_look = 0.0
        self.has_told = False
        self.leaving = ""

    def run(self) -> None:
        try:
            self._work()
        except OSError:  # in a folder that has gone nothing can be written or started
            if self._is_at_home():
                raise
            self._quit(AWAY)
        self._leave()

    def _work(self) -> None:
        self._hear_signals()
        self._begin()
        while not self.leaving:
            for key, _ in self.selector.select(self._patience_s()):
                key.data(key.fileobj)
            self._advance()

    # ---- begin and end

    def _hear_signals(self) -> None:
        """Makes every signal, a child's end among them, wake the loop."""
        wake, self._wake_end = socket.socketpair()
        wake.setblocking(False)
        self._wake_end.setblocking(False)
        signal.set_wakeup_fd(self._wake_end.fileno(), warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, _drain)
        signal.signal(signal.SIGCHLD, _ignore)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_leave)

    def _told_to_leave(self, number: int, _: FrameType | None) -> None:
        self._quit(f"signal {number}")

    def _begin(self) -> None:
        end_orphan(_number(read_json(self.places.state).get("server_pid")))
        trim(self.places.log)
        self.stamp = Stamp.read(self.places)
        is_new = not has_data(self.stamp, self.places)
        try:
            if not is_new:
                self.stamp = settle(self.stamp, self.places, self.server.binary)
            self.namespaces.begin(self.stamp.namespaces)
            self.server.begin(self.stamp.port, self.orders.root)
            if is_new:  # the version is only for the stamp, and the server boots meanwhile
                self.stamp = settle(self.stamp, self.places, self.server.binary)
        except (NewerData, OSError) as error:
            self.server.refuse("SERVER_ERROR", str(error))

    def _quit(self, why: str) -> None:
        self.leaving = self.leaving or why

    def _leave(self) -> None:
        note(f"leaving: {self.leaving}")
        if not self.server.failure:
            self.peers.say_farewell(self.leaving)
        if self._is_at_home():
            # First of all, so that from now on new commands wait for the lock.
            self.places.socket.unlink(missing_ok=True)
            self.peers.close()
            self.server.stop()
            self.places.state.unlink(missing_ok=True)
        else:
            self.server.kill()  # not stopped: what it still wrote could go to a path that is not ours any more
        # The end of the process closes the connections and gives up the lock.

    # ---- what happens in a round of the loop

    def _patience_s(self) -> float:
        """How long nothing has to be done without an event."""
        times = [self.next_look]
        if self.server.next_at is not None:
            times.append(self.server.next_at)
        if not self.peers.holders:
            times.append(self._leave_at())
        return max(0.0, min(times) - time.monotonic())

    def _advance(self) -> None:
        was_ready = self.server.state == "ready"
        self.server.advance()
        if self.server.state == "ready" and not was_ready:
            self._ready()
        if self.server.state in ("ready", "failed"):
            self._answer_hellos()
        now = time.monotonic()
        if self.server.failure and (self.has_told or now > self.begun + FIRST_HELLO_S):
            self._quit("the server failed")  # and somebody knows why
        if now >= self.next_look:
            self.next_look = now + LOOK_EVERY_S
            self._look()
        if not self.peers.holders and now >= self._leave_at():
            self._quit("nobody needs it")

    def _leave_at(self) -> float:
        """When to leave if nobody comes, on the monotonic clock; the timers of others are on the wall clock."""
        begin = max(self.peers.unheld_since, self.begun + FIRST_HELLO_S)
        open_timer_s = self._stay_until() - time.time()
        return max(begin + self.orders.linger_s, time.monotonic() + open_timer_s)

    def _look(self) -> None:
        trim(self.places.server_log)
        if not self._is_at_home():
            self._quit(AWAY)

    def _is_at_home(self) -> bool:
        mine = os.fstat(self.orders.lock)
        try:
            there = self.places.lock.stat()
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _ready(self) -> None:
        self.stamp = replace(self.stamp, port=self.server.port)
        write_json(self.places.state, self._status())
        self._write_stamp()
        note(f"ready at {self.server.address} (pid {self.server.pid})")

    def _write_stamp(self) -> None:
        self.stamp = replace(self.stamp, namespaces=dict(self.namespaces.made))
        write_json(self.places.stamp, asdict(self.stamp))

    # ---- requests

    def _handle(self, peer: Peer, request: Request) -> None:
        match request.get("op"):
            case "hello":
                peer.holds = True
                peer.hellos.append(request)
            case "keep_until":
                self._keep(str(request.get("reason") or ""), float(request.get("at") or 0.0))
                self.peers.send(peer, {"keep_until": self._stay_until()})
            case "status":
                self.peers.send(peer, self._status())
            case "stop":
                self.peers.send(peer, {"stopping": True})
                self._quit("asked to stop")
            case other:
                self.peers.send(peer, wire.refusal("INPUT_ERROR", f"unknown request {other!r}"))

    def _keep(self, reason: str, at: float) -> None:
        """A later time without a reason wins over an earlier one; one with a reason takes the place of that before."""
        if not reason:
            self.keep_until = max(self.keep_until, at)
            return
        others = {name: until for name, until in self.stamp.reasons.items() if name != reason}
        self.stamp = replace(self.stamp, reasons=others | ({reason: at} if at > time.time() else {}))
        self._write_stamp()

    def _stay_until(self) -> float:
        return max(self.keep_until, *self.stamp.reasons.values(), 0.0)

    def _answer_hellos(self) -> None:
        waiting = [peer for peer in self.peers.all if peer.hellos]
        if waiting and not self._is_at_home():
            return self._quit(AWAY)  # their next try finds the lock free
        for peer in waiting:
            hellos, peer.hellos = peer.hellos, []
            for hello in hellos:
                self.peers.send(peer, self._welcome(hello))

    def _welcome(self, hello: Request) -> dict[str, Any]:
        if self.server.failure:
            self.has_told = True
            return wire.refusal(self.server.failure.code, self.server.failure.message)
        problem = self.namespaces.need(str(hello.get("namespace") or "default"))
        if problem:
            return wire.refusal("SERVER_ERROR", problem)
        if self.namespaces.made != self.stamp.namespaces:
            self._write_stamp()
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
            "holders": self.peers.holders,
            "keep_until": self._stay_until(),
            "linger_s": self.orders.linger_s,
            "restarts": self.server.restarts.total,
        }


def _drain(wake: socket.socket) -> None:
    wake.recv(512)


def _ignore(_: int, __: FrameType | None) -> None:
    pass


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def main() -> None:
    """Runs with the orders in the last argument. The working directory is the server's folder."""
    os.umask(0o077)
    Supervisor(Orders(**json.loads(sys.argv[-1]))).run()


if __name__ == "__main__":
    main()
