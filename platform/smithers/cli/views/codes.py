"""By which code a run goes, and whether anybody here holds that code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from smithers.engine.entry import Json

if TYPE_CHECKING:
    from smithers.project import Project
    from smithers.store.interface import Store
    from smithers.store.records import Run
    from smithers.worker.held import Holder

SHORT = 12
Standing = Literal["held", "hosted", "on-disk", "kept", "unknown"]


@dataclass(frozen=True, slots=True)
class RunCode:
    digest: str
    source: str
    standing: Standing
    """held: a worker has loaded the file; hosted: a worker has loaded the sources from the store; on-disk: nobody
    holds it, and the files are still it; kept: nobody holds it, the files are other ones, the sources are in the
    store; unknown: nobody holds it, and the sources are not in the store."""
    is_on_disk: bool = False
    """Whether the files are this code."""
    pids: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()
    """What is installed in another version than when the sources were kept."""

    @property
    def is_held(self) -> bool:
        return bool(self.pids)

    @property
    def text(self) -> str:
        who = f"process {', '.join(map(str, self.pids))}"
        other = "" if self.is_on_disk else f"; {now(self.source)}"
        words = {
            "held": f"held by {who}",
            "hosted": f"hosted from the store by {who}{other}",
            "on-disk": "nobody holds it now",
            "kept": f"{now(self.source)}; this one is in the store, and nobody hosts it now",
            "unknown": "nobody holds it now, and its sources are not in the store",
        }
        return f"{self.digest[:SHORT]} ({words[self.standing]})"

    def wire(self) -> Json:
        return {
            "digest": self.digest,
            "standing": self.standing,
            "held": self.is_held,
            "onDisk": self.is_on_disk,
            "pids": list(self.pids),
            "changes": list(self.changes),
        }


def now(source: str) -> str:
    """What stands where a run's file was, if that is not its code any more."""
    return f"{source} is other code now" if Path(source).exists() else f"{source} is gone"


def code_of(project: Project, store: Store, run: Run) -> RunCode:
    """Looks at processes of this machine and at files; imports none of them."""
    from smithers.errors import SourcesMissing
    from smithers.worker.held import holders
    from smithers.worker.kept import changes, is_on_disk

    found = holders(project).get(run.digest, [])
    try:
        kept = store.sources(run.digest)
    except SourcesMissing:
        return RunCode(run.digest, run.source, standing_of(found) or "unknown", pids=pids(found))
    is_here = is_on_disk(kept, Path(run.source))
    standing = standing_of(found) or ("on-disk" if is_here else "kept")
    differing = tuple(changes(kept.environment)) if standing in ("hosted", "kept") else ()
    return RunCode(run.digest, run.source, standing, is_here, pids(found), differing)


def standing_of(found: list[Holder]) -> Standing | None:
    if not found:
        return None
    return "hosted" if all(one.from_copy for one in found) else "held"


def pids(found: list[Holder]) -> tuple[int, ...]:
    return tuple(sorted(one.pid for one in found))


def held_digests(project: Project) -> frozenset[str]:
    """Those that a living process of this machine holds."""
    from smithers.worker.held import holders

    return frozenset(holders(project))
