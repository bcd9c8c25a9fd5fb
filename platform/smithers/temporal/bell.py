"""The bell: wakes a run's driver from any process, after a fact was appended.

Where a worker of this project lives on this machine, it rings for us: one line over its socket in `.smithers/bells/`,
a few milliseconds, and no import of the Temporal SDK (0.6 s, which `smithers approve` must not cost). Otherwise we ring
ourselves. A bell that gets lost is found by the sweeper.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from smithers.project import Project
from smithers.temporal.server.places import short_path

ANSWER_S: Final = 3.0
LONGEST_ID: Final = 4096
OK: Final = b"ok\n"
Ringer = Callable[[str], Awaitable[None]]


def ring(project: Project, run_id: str) -> None:
    """Raises TemporalUnavailable or TemporalMissing where no worker lives and no server can be reached or started."""
    if not ring_through_worker(project, run_id):
        ring_ourselves(project, run_id)


def bells(project: Project) -> Path:
    return project.state / "bells"


def ring_through_worker(project: Project, run_id: str) -> bool:
    """Whether a living worker has rung. Sockets that nobody listens on are removed."""
    folder = bells(project)
    try:
        paths = sorted(folder.glob("*.sock"))
    except OSError:
        return False
    return any(ask(path, run_id) for path in paths)


def ask(path: Path, run_id: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(path) as address:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(address)
        except ConnectionRefusedError:
            with suppress(OSError):
                path.unlink()
            return False
        except OSError:
            return False
        try:
            connection.sendall(run_id.encode() + b"\n")
            return connection.recv(16) == OK
        except OSError:
            return False


def ring_ourselves(project: Project, run_id: str) -> None:
    from smithers.store import open_store
    from smithers.temporal import local, ringing
    from smithers.temporal.client import connect

    async def go(address: str) -> None:
        client = await connect(project, address)
        await ringing.ring(client, project.name, run)

    store = open_store(project, create=False)
    try:
        run = store.run(run_id)
    finally:
        store.close()
    with local.ensure(project) as server:
        asyncio.run(go(server.address))


class Bell:
    """A worker's end: listens, and rings for others."""

    def __init__(self, project: Project, ringer: Ringer) -> None:
        self.path = bells(project) / f"{os.getpid()}.sock"
        self._ringer = ringer
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            self.path.unlink()
        with short_path(self.path) as address:
            self._server = await asyncio.start_unix_server(self._serve, address, limit=LONGEST_ID)

    async def close(self) -> None:
        with suppress(OSError):
            self.path.unlink()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            await self._ringer(line.decode().strip())
            writer.write(OK)
            await writer.drain()
        except Exception as error:  # noqa: BLE001  whatever it is: the one who asked rings himself then
            writer.write(f"{type(error).__name__}\n".encode())
        finally:
            writer.close()
