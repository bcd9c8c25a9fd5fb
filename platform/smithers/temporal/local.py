"""The door to the local Temporal server.

    with ensure(project) as server:
        client = await connect(project, server.address)

`ensure` starts or joins the server and holds it; `ensure_soon` does so in two halves; `keep` is for processes that
live long. `status` looks, `stop` ends it. Nothing here imports temporalio.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from smithers.project import Project
from smithers.temporal.server import starting, wire
from smithers.temporal.server.binary import Say
from smithers.temporal.server.joining import TRY_EVERY_S, Joining, LocalServer
from smithers.temporal.server.keeping import KeptServer
from smithers.temporal.server.places import Places

__all__ = ["KeptServer", "LocalServer", "ensure", "ensure_soon", "keep", "status", "stop"]


def ensure(project: Project, *, say: Say | None = None) -> LocalServer:
    """Starts or joins the project's server and holds it: 1 ms (joined) to 0.4 s (first start in this project).

    With `TEMPORAL_ADDRESS` set it just returns that address. `say` gets a line about each slow thing, such as getting
    the binary. Raises TemporalMissing, TemporalUnavailable, ServerError, InputError.
    """
    return ensure_soon(project, say=say)()


def ensure_soon(project: Project, *, say: Say | None = None) -> Callable[[], LocalServer]:
    """Does the first half of `ensure`; the returned function, called once, waits for the rest.

    Between the two the server boots, and the caller may do its slow imports.
    """
    if project.temporal_address:
        server = LocalServer(project.temporal_address)
        return lambda: server
    joining = Joining(project, say)
    connection = joining.connect()
    return lambda: joining.finish(connection)


def keep(project: Project, *, say: Say | None = None) -> KeptServer:
    """As `ensure`, for a worker: if the supervisor dies, another is started at once, by a thread."""
    return KeptServer(project, ensure(project, say=say))


def status(project: Project) -> dict[str, Any] | None:
    """What the project's supervisor says of itself and the server (see `server/wire.py`); None when there is none.

    Does not hold the server.
    """
    connection = None if project.temporal_address else starting.connect(Places.of(project.state))
    if connection is None:
        return None
    connection.settimeout(5.0)
    with connection:
        try:
            return wire.ask(connection, {"op": "status"})
        except OSError:
            return None


def stop(project: Project, *, limit_s: float = 30.0) -> bool:
    """Stops the project's server, whoever holds it, and returns when it is gone (1.3 s). False when there was none."""
    places = Places.of(project.state)
    connection = starting.connect(places)
    if connection is not None:
        _end(connection, limit_s)
        return True
    was_leaving = starting.is_locked(places)
    deadline = time.monotonic() + limit_s
    while starting.is_locked(places) and time.monotonic() < deadline:
        time.sleep(TRY_EVERY_S)
    return was_leaving


def _end(connection: socket.socket, limit_s: float) -> None:
    """Stops a supervisor and returns when it is gone."""
    connection.settimeout(limit_s)
    try:
        wire.ask(connection, {"op": "stop"})
        while connection.recv(4096):
            pass
    except OSError:
        pass  # gone before it could say so
    connection.close()
