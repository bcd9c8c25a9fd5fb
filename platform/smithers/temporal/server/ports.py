"""Loopback ports for local servers: a fixed range, so that people can name it in firewalls and find it in `ss`."""

from __future__ import annotations

import os
import re
import socket
import sys
import zlib
from pathlib import Path

DEFAULT = range(17233, 17333)
"""Temporal's 7233 with ten thousand on top; below the range the kernel hands out by itself."""


def parse(text: str) -> range:
    """Reads `17233-17332` or one port. Raises ValueError."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not match:
        raise ValueError(f"not a port range: {text!r}; write it like 17233-17332")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1024 <= first <= last <= 65535:
        raise ValueError(f"not a usable port range: {text!r}; ports are 1024 to 65535, the lower one first")
    return range(first, last + 1)


def candidates(allowed: range, preferred: int, root: str) -> list[int]:
    """The whole range in the order to try: the last port first, else a start that differs from project to project.

    A stable port lets clients that outlive a supervisor find the next server under the same address.
    """
    start = preferred if preferred in allowed else allowed[zlib.crc32(os.fsencode(root)) % len(allowed)]
    return [*range(start, allowed.stop), *range(allowed.start, start)]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server will do it: connections that linger after a crash do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_owner(pid: int, port: int, proc: Path = Path("/proc")) -> bool:
    """Whether the process listens on the port. True where the system does not tell (no `/proc`).

    Between our look at a port and the server's bind another program may take it, and then that program would answer.
    """
    try:
        table = (proc / "net/tcp").read_text().splitlines()[1:]
        sockets = {link for link in _links(proc / str(pid) / "fd") if link.startswith("socket:")}
    except OSError:
        return True
    rows = (line.split() for line in table)
    address = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}:{port:04X}"
    return any(row[1] == address and row[3] == "0A" and f"socket:[{row[9]}]" in sockets for row in rows)


def _links(folder: Path) -> list[str]:
    found: list[str] = []
    for entry in folder.iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue  # closed since it was listed
    return found
