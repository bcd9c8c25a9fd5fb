"""How a command starts the supervisor: it takes the lock, binds the socket, and hands both to a new process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import smithers
from smithers.errors import ServerError
from smithers.temporal.server import launch
from smithers.temporal.server.orders import Orders, Settings
from smithers.temporal.server.places import Places, short_path

_BOOT = """
import os, sys
if os.fork():
    os._exit(0)
sys.path.append(sys.argv[1])
from smithers.temporal.server.supervisor import main
main()
"""
"""Run by `python -I -S`: nothing of the user's or of site-packages is looked at, which also takes half the time.
It forks at once, so that it is nobody's child and no zombie stays: before it imports, as the command that starts it
waits for the first half. The package's own folder is the one addition to where modules are looked for, at the end, so
that it hides nothing of the standard library."""


def start(root: Path, places: Places, binary: Path, settings: Settings) -> socket.socket | None:
    """Starts a supervisor and returns a connection to it; None when there is one already that holds the lock.

    About 15 ms. Raises ServerError when the project's folder cannot be written or Python not be started.
    """
    try:
        places.folder.parent.mkdir(exist_ok=True)  # never the project's folder itself: it may have been deleted
        places.folder.mkdir(exist_ok=True, mode=0o700)
        with _lock(places) as lock:
            if lock is None:
                return None
            with _listener(places) as listener:
                _spawn(_orders(root, places, binary, settings, lock, listener.fileno()), places)
                return connect(places)
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(
            f"The local Temporal server cannot be started in {places.folder}: {error}. {places.log} may say more."
        ) from error


def connect(places: Places) -> socket.socket | None:
    """A connection to the project's supervisor; None when there is none, or one that is just leaving."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with short_path(places.socket) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def is_locked(places: Places) -> bool:
    """Whether a supervisor lives (or is just being started)."""
    try:
        with places.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def _lock(places: Places) -> Generator[int | None]:
    """The lock's descriptor. The lock belongs to the open file, so it stays while the new process has it open too."""
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        yield None
    finally:
        os.close(descriptor)


@contextmanager
def _listener(places: Places) -> Generator[socket.socket]:
    places.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        with short_path(places.socket) as path:
            listener.bind(path)
        places.socket.chmod(0o600)
        listener.listen(128)
        yield listener


def _orders(root: Path, places: Places, binary: Path, settings: Settings, lock: int, listener: int) -> Orders:
    return Orders(
        root=str(root),
        folder=str(places.folder),
        binary=str(binary),
        lock=lock,
        listener=listener,
        linger_s=settings.linger_s,
        first_port=settings.ports[0],
        last_port=settings.ports[-1],
    )


def _spawn(orders: Orders, places: Places) -> None:
    """Starts the process in a session of its own, and returns when it has forked."""
    package_root = str(Path(smithers.__file__ or "").parents[1])
    with places.log.open("ab") as log:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _BOOT, package_root, json.dumps(asdict(orders))],
            cwd=places.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=launch.environment(),
            start_new_session=True,
            pass_fds=(orders.lock, orders.listener),
            check=True,
        )
