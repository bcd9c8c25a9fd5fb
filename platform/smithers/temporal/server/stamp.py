"""What the server's data was written by, and whether this binary may go on with it.

The development server makes its tables once and never migrates them. So: the same minor version goes on; an older
file is set aside and a fresh one begun, as the truth is the log in our own store and open runs are driven again from
there; a newer file is refused, because going back is more likely an accident than a wish. A file without a stamp was
left by a server that was killed while it made its tables, and would never get the rest of them: it is set aside too.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from smithers.temporal.server.log import note
from smithers.temporal.server.places import DATABASE, Places, read_json


@dataclass(frozen=True, slots=True)
class Stamp:
    server: str = ""
    """Version of the server that wrote the data last; empty before the first start."""
    binary: str = ""
    """Path, size and time of that binary, so that asking it for its version is done once."""
    port: int = 0
    namespaces: dict[str, str] = field(default_factory=dict[str, str])
    """Name to retention."""
    reasons: dict[str, float] = field(default_factory=dict[str, float])
    """Why the server stays although nobody holds it, and until when (epoch seconds). A new supervisor knows it, too."""

    @classmethod
    def read(cls, places: Places) -> Stamp:
        kept = read_json(places.stamp)
        if not places.database.exists():
            return cls(port=_port(kept))
        names: object = kept.get("namespaces")
        namespaces = cast(dict[str, str], names) if isinstance(names, dict) else {}
        given: object = kept.get("reasons")
        reasons = cast(dict[str, float], given) if isinstance(given, dict) else {}
        return cls(str(kept.get("server", "")), str(kept.get("binary", "")), _port(kept), namespaces, reasons)


def _port(kept: dict[str, Any]) -> int:
    port = kept.get("port")
    return port if isinstance(port, int) else 0


def mark_of(binary: Path) -> str:
    facts = binary.stat()
    return f"{binary}:{facts.st_size}:{facts.st_mtime_ns}"


def version_of(binary: Path) -> str:
    """The server's version (`1.31.2`) as the binary says it; empty when it does not. About 35 ms."""
    try:
        answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(r"Server (\d+\.\d+\.\d+)", answer.stdout)
    return match[1] if match else ""


def minor(version: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)\.", version)
    return (int(match[1]), int(match[2])) if match else None


class NewerData(Exception):
    """The data was written by a newer server than this binary."""


def settle(stamp: Stamp, places: Places, binary: Path) -> Stamp:
    """Makes the data fit the binary, and returns the stamp it now has. Raises NewerData."""
    mark = mark_of(binary)
    if stamp.binary == mark:
        return stamp
    version = version_of(binary)
    written, running = minor(stamp.server), minor(version)
    if written and running and written > running:
        raise NewerData(
            f"The local server's data in {places.folder} was written by Temporal server {stamp.server}, and {binary} "
            f"is {version}: older servers cannot read newer data. Use the newer binary "
            f"(SMITHERS_TEMPORAL_CLI=/path/to/temporal), or move {places.database}* away: nothing is lost, as runs "
            "live in the store and are driven again from there."
        )
    namespaces = stamp.namespaces
    if written and running and written < running:
        set_aside(places, stamp.server)
        namespaces = {}
    return Stamp(version, mark, stamp.port, namespaces)


def has_data(stamp: Stamp, places: Places) -> bool:
    """Whether there is a finished database. One that was never finished is set aside."""
    if places.database.exists() and not stamp.binary:
        set_aside(places, "unfinished")
    return places.database.exists()


def set_aside(places: Places, version: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        file = places.folder / f"{DATABASE}{suffix}"
        if file.exists():
            file.replace(places.folder / f"temporal-{version}.db{suffix}")
    note(f"set aside the old data as temporal-{version}.db; open runs are driven again from the store")
