"""Sources written out again, where the originals have changed or are gone: `.smithers/code/<digest>/`.

A copy is a project of its own: a file at its top says so, and where the originals were. A process that runs a copy
must find the project's modules in it, not beside the originals, wherever these are on `sys.path`; `settle` sees to
that. Such a process runs that one code and nothing else.

Whoever asks for a copy notes the time at it (`COPY`). One that nobody has asked for in a while can go, see `unused.py`;
the lock keeps the two apart.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from smithers.errors import StoreDamaged
from smithers.worker import sources
from smithers.worker.sources import COPY

SHORT: Final = 12
"""Letters of a digest that name its folder."""
NEW: Final = ".new-"
"""What the name of a folder begins with that is being filled."""
LOCK: Final = ".lock"


def written(copies: Path, digest: str, entry: str, files: Mapping[str, bytes], source: Path) -> Path:
    """The workflow file of the digest's copy below `copies`, which is made or put right where that is needed.

    `source` is where the workflow file was. The folder is for its owner alone. Raises `StoreDamaged` for names that
    lead out of it.
    """
    folder = copies / digest[:SHORT]
    with locked(copies):
        if is_whole(folder, files):
            os.utime(folder / COPY)
            return folder / entry
        fresh = Path(tempfile.mkdtemp(dir=copies, prefix=NEW))
        fill(fresh, files)
        note = {"digest": digest, "origin": str(base_of(source, entry))}
        (fresh / COPY).write_text(json.dumps(note), encoding="utf-8")
        put(fresh, folder)
    return folder / entry


@contextmanager
def locked(copies: Path) -> Generator[None]:
    """Nobody else on this machine writes or removes copies meanwhile. The folder is made where it is not there."""
    copies.mkdir(parents=True, exist_ok=True)
    with (copies / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_of(source: Path, entry: str) -> Path:
    """The folder that holds all sources."""
    return source.parents[entry.count("/")]


def is_copy(file: Path) -> bool:
    return (sources.project_root(file.parent) / COPY).is_file()


def is_whole(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return (folder / COPY).is_file() and all((folder / name).read_bytes() == data for name, data in files.items())
    except OSError:
        return False


def fill(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise StoreDamaged(f"A source is named {name!r}, which leads out of its folder. It is not written.")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def put(fresh: Path, folder: Path) -> None:
    """In place of what is there. Another process that is first has written the same."""
    try:
        if folder.exists():
            folder.rename(fresh.with_name(f"{fresh.name}-old"))
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(fresh.with_name(f"{fresh.name}-old"), ignore_errors=True)


def settle(file: Path) -> None:
    """Has this process find the project's modules in the copy that `file` is in, if it is in one."""
    copy = sources.project_root(file.parent)
    note = copy / COPY
    if not note.is_file():
        return
    origin = Path(json.loads(note.read_text(encoding="utf-8"))["origin"])
    moved = [moved_entry(entry, origin, copy) for entry in sys.path]
    sys.path[:] = list(dict.fromkeys(entry for entry in moved if entry is not None))


def moved_entry(entry: str, origin: Path, copy: Path) -> str | None:
    """Where an entry of `sys.path` is in the copy; itself if it is none of the project's; None for what has none.

    Without an entry the project's newer modules cannot stand in for those that the copy does not have.
    """
    place = Path(entry or ".").absolute()
    root = sources.project_root(origin)
    if not (place.is_relative_to(root) or place.is_relative_to(origin)) or sources.is_installed(place):
        return entry
    if not place.is_relative_to(origin):
        return None
    there = copy / place.relative_to(origin)
    return str(there) if there.is_dir() else None
