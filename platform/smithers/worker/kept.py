"""The sources of a code, kept in the store under its digest: what a run is pinned to outlives the files it came from.

Kept are the workflow file, the project's own modules that it imports and its prompt files: all that the digest covers.
What is installed is not; its versions are written down, and where a code is loaded again they are compared.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from smithers.errors import SourcesMissing, WorkflowFileError
from smithers.store.records import Sources
from smithers.worker import copies, sources
from smithers.worker.code import LoadedCode, load

if TYPE_CHECKING:
    from smithers.engine.entry import Json
    from smithers.store.interface import Store

log = logging.getLogger(__name__)
MOST_NAMED: Final = 8


def keep(store: Store, code: LoadedCode) -> None:
    """Keeps the sources, before any run or follow names their digest. Costs one look where they are there already."""
    if not store.has_sources(code.digest):
        store.write_sources(Sources(code.digest, code.entry, code.files, environment()))


def load_kept(store: Store, digest: str, source: Path, folder: Path) -> LoadedCode:
    """The code of a digest, from a copy below `folder`. `source` is where its workflow file was.

    For a process that runs this one code: it changes where modules are looked for. Raises `SourcesMissing`, and
    `WorkflowFileError` where the sources do not load any more, or are not all that the code is made of.
    """
    found = store.sources(digest)
    path = copies.written(folder, digest, found.entry, found.files, source)
    copies.settle(path)
    code = load(path)
    if code.digest != digest:
        refuse(found, code)
    for line in changes(found.environment):
        log.warning("code %s of %s: %s", digest[: copies.SHORT], source, line)
    return code


def refuse(wanted: Sources, code: LoadedCode) -> NoReturn:
    before, after = wanted.files, code.files
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    raise WorkflowFileError(
        f"The sources of the code {wanted.digest[: copies.SHORT]} make another code when they are loaded again "
        f"({', '.join(differing[:MOST_NAMED])}): a module is found in another place than before, such as an editable "
        "installation. Put the files back as they were, or follow the new code.",
        file=str(code.source),
        differing=differing,
    )


def is_on_disk(found: Sources, source: Path) -> bool:
    """Whether the files are still what the digest was made of. Imports nothing."""
    return sources.is_unchanged(source, found.entry, found.files)


def is_still(store: Store, digest: str, source: Path) -> bool | None:
    """The same by digest; None where the store does not have the sources."""
    try:
        return is_on_disk(store.sources(digest), source)
    except SourcesMissing:
        return None


# What is installed


def environment() -> Json:
    """`{"python": version, "packages": {name: version}}` of this process."""
    return {"python": ".".join(map(str, sys.version_info[:3])), "packages": dict(packages(sys.path))}


def packages(places: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Names and versions of the installed distributions, by the names of their folders."""
    for place in places:
        try:
            names = sorted(entry.name for entry in os.scandir(place or "."))
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, version = name.removesuffix(".dist-info").rpartition("-")
                yield project, version


def changes(kept: Json) -> list[str]:
    """What is installed in another version than when the sources were kept, as lines. Empty for nothing."""
    now = environment()
    lines: list[str] = []
    if kept.get("python", now["python"]) != now["python"]:
        lines.append(f"it was started with Python {kept['python']}, this is {now['python']}")
    before, after = kept.get("packages", {}), now["packages"]
    other = [f"{name} {old} is {after.get(name, 'gone')} now" for name, old in before.items() if after.get(name) != old]
    if other:
        more = f", and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        lines.append(f"packages have changed since it was started: {', '.join(other[:MOST_NAMED])}{more}")
    return lines
