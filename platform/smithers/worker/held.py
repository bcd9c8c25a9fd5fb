"""Which process of this machine holds which code: a small file per process, `.smithers/held/<identity>`.

Whoever wants to know whether a run can go on reads them; the identity tells the living from the dead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from smithers.project import Project
from smithers.temporal import identity
from smithers.temporal.identity import Identity
from smithers.worker.copies import is_copy

if TYPE_CHECKING:
    from smithers.worker.code import LoadedCode


@dataclass(frozen=True, slots=True)
class Holder:
    """A living process that serves a code."""

    pid: int
    from_copy: bool
    """From the sources in the store: the files on disk are other ones."""


class Held:
    """What this process holds, where others can read it."""

    def __init__(self, project: Project) -> None:
        self.path = folder_of(project) / str(identity.own())

    def say(self, codes: Iterable[LoadedCode]) -> None:
        held = {code.digest: is_copy(code.source) for code in codes}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{os.getpid()}")
        fresh.write_text(json.dumps(held), encoding="utf-8")
        fresh.rename(self.path)

    def close(self) -> None:
        with suppress(OSError):
            self.path.unlink()


def folder_of(project: Project) -> Path:
    return project.state / "held"


def holders(project: Project) -> dict[str, list[Holder]]:
    """By digest. What dead processes have left is removed."""
    found: dict[str, list[Holder]] = {}
    for path in sorted(folder_of(project).glob("[!.]*")):
        owner = Identity.read(path.name)
        standing = "gone" if owner is None else owner.standing()
        if standing == "gone":
            with suppress(OSError):
                path.unlink()
        elif owner is not None and standing == "alive":
            for digest, from_copy in read(path).items():
                found.setdefault(digest, []).append(Holder(owner.pid, from_copy))
    return found


def held_anywhere(project: Project) -> set[str]:
    """Digests that a process holds, also one of another machine that shares the folder and cannot be seen from here."""
    owners = [(path, Identity.read(path.name)) for path in folder_of(project).glob("[!.]*")]
    standing = [path for path, owner in owners if owner is not None and owner.standing() != "gone"]
    return {digest for path in standing for digest in read(path)}


def read(path: Path) -> dict[str, bool]:
    try:
        return cast("dict[str, bool]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
