"""Finds the Temporal CLI, which holds the development server, or gets one.

In this order: what the user has (`SMITHERS_TEMPORAL_CLI`, or `temporal` on PATH); our cache; the Python SDK's own
download; a build from source through the Go module proxy. The first two take no time; the others are done once per
user, by one command at a time, and say what they do.

`python -m smithers.temporal.server.binary` does all this and prints the path.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from smithers.errors import ServerError, TemporalMissing
from smithers.temporal.server.release import VERSION, NotGot

Say = Callable[[str], None]


def find(say: Say | None = None, source: Mapping[str, str] = os.environ) -> Path:
    """The binary's absolute path. `say` gets progress lines; without it they go to stderr.

    0.1 ms when there is one; else seconds (download) or minutes (build), once. Raises TemporalMissing, ServerError.
    """
    found = at_hand(source)
    if found is not None:
        return found
    from smithers.temporal.server import build, download  # nearly never needed

    target = cached(source)
    tell = say or _tell_stderr
    with _alone(target, tell):
        if is_program(target):  # made while we waited
            return target
        failures: list[str] = []
        for get in (download.get, build.get):
            try:
                get(target, tell)
            except NotGot as failure:
                failures.append(str(failure))
                tell(str(failure))
            else:
                return target
    raise TemporalMissing(_explain(target, failures), ways=failures)


def at_hand(source: Mapping[str, str] = os.environ) -> Path | None:
    """The binary that is there already; None when one has to be got.

    Raises ServerError when `SMITHERS_TEMPORAL_CLI` names no program: who sets it means it.
    """
    named = source.get("SMITHERS_TEMPORAL_CLI")
    program = shutil.which(named or "temporal", path=source.get("PATH", os.defpath))
    if program is not None:
        return Path(program).absolute()
    if named:
        raise ServerError(
            f"SMITHERS_TEMPORAL_CLI is {named!r}, and there is no such program. "
            "Correct it, or unset it: then one is looked for, and got if need be."
        )
    kept = cached(source)
    return kept if is_program(kept) else None


def cached(source: Mapping[str, str] = os.environ) -> Path:
    """Where a binary that we got ourselves is kept."""
    home = source.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home).absolute() / "smithers" / "temporal" / f"temporal-{VERSION}"


def is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def _alone(target: Path, tell: Say) -> Generator[None]:
    """Lets one command at a time get the binary, and the others wait for what it gets."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.with_name(f"{target.name}.lock").open("w")
    except OSError as error:
        raise TemporalMissing(
            f"No Temporal binary was found (SMITHERS_TEMPORAL_CLI, PATH, {target}), and none can be got, as the cache "
            f"cannot be written: {error}. Set XDG_CACHE_HOME to a folder that can."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("temporal: another command is getting the Temporal binary; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _explain(target: Path, failures: list[str]) -> str:
    ways = [
        "PATH: no program called temporal, and SMITHERS_TEMPORAL_CLI is not set",
        f"cache: nothing at {target}",
        *failures,
    ]
    listed = "\n".join(f"  {number}. {way}" for number, way in enumerate(ways, start=1))
    return (
        f"There is no Temporal binary, and all four ways to one failed:\n{listed}\n"
        "Do one of: install the Temporal CLI so that `temporal` is on PATH; set SMITHERS_TEMPORAL_CLI to one; allow "
        "the download; install Go 1.26 or newer. Or use a server that runs elsewhere: TEMPORAL_ADDRESS=host:7233."
    )


def _tell_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> int:
    try:
        path = find()
    except ServerError as error:
        _tell_stderr(error.message)
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
