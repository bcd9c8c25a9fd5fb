"""One scenario with crashes at given points, and what is left of it."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from smithers.engine.entry import Entry, Kind
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from tests.chaos.truth import extra, problems, read_lines
from tests.crash.hosting import LIMIT_S, SHOWN, STACKS, TALLY, Life, host
from tests.flows.crashed import SCENARIOS

__all__ = ["SCENARIOS"]
MORE_TRIES = 2
SIDE_BY_SIDE = 2
"""So many bodies are in flight at most in any scenario: what one crash may run again."""
NEST = multiprocessing.get_context("forkserver")
"""Processes come from one that has loaded everything: each begins within milliseconds."""
NEST.set_forkserver_preload(["tests.crash.hosting"])
_one_looks: Final = threading.Lock()
"""Starting a process looks at how all others have ended, and of two that look at once one sees a wrong status."""
Where = tuple[str, str]
NUMBERED: Final[tuple[Kind, ...]] = ("fired", "follow")
"""Kinds whose keys hold a number or a position that a crash may change."""
TOLD: Final[tuple[Kind, ...]] = (
    *NUMBERED, "decided", "voted", "signal", "cancel", "resumed", "started", "paused", "unpaused", "amended", "retried",
    "redriven", "withdrawn", "delegated", "reminded", "escalated",
)  # fmt: skip
"""What comes from people and clocks: each as often as without a crash."""
REFUSED: Final = "rejected:decided:"
"""How the key of a refused answer begins. Other facts that were refused are those of bodies that were given up."""


@dataclass(frozen=True, order=True)
class Case:
    scenario: str
    crashes: tuple[str, ...] = ()
    """Of one process after the other: `POINT` or `POINT:NTH`."""

    def __str__(self) -> str:
        return f"{self.scenario} {' '.join(self.crashes) or 'undisturbed'}"


@dataclass(frozen=True)
class Site:
    """Where cases are carried out."""

    address: str
    """Of a Temporal server."""
    above: Path | None = None
    """The folder that projects are made in."""
    database: Callable[[], str] = str
    """Makes an empty database, and returns its URL. By default each project has its file."""


@dataclass(frozen=True)
class End:
    """What must not depend on crashes."""

    status: str
    error: str
    nodes: Mapping[Where, tuple[str, str, int]]
    """Kind, state and attempt."""
    outputs: Mapping[Where, Any]
    commands: Counter[tuple[str, str, str, int]]
    """Kind, node, iteration and attempt of all that were ever given."""
    decided: Counter[str]
    """Keys, or kinds, of answers, votes, signals and the like."""
    left_open: Counter[str]
    """Kinds of commands that nobody has carried out."""


@dataclass(frozen=True)
class Outcome:
    case: Case
    missed: tuple[str, ...] = ()
    """Points that were not passed."""
    tally: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often the last process has passed each point."""
    end: End | None = None
    found: tuple[str, ...] = ()
    """What must not be."""
    settled: int = 0
    """Commands that were given up and given anew."""


def carried_out(case: Case, site: Site) -> Outcome:
    """Runs a case. Blocks for as long as its processes live.

    How often a point is passed may depend on times. Where one was not, it is tried again, at its first passing.
    """
    outcome = tried(case, site)
    for _ in range(MORE_TRIES):
        if not outcome.missed or outcome.found:
            break
        outcome = tried(Case(case.scenario, tuple(map(first, case.crashes))), site)
    return outcome


def first(crash: str) -> str:
    return crash.partition(":")[0]


def tried(case: Case, site: Site) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="smx-", dir=site.above, ignore_cleanup_errors=True) as name:
        root = Path(name).resolve() / Path(name).name
        (root / ".smithers").mkdir(parents=True)
        whole = Life(root, site.address, case.scenario, database=site.database())
        missed: list[str] = []
        for crash in (*case.crashes, ""):
            status = lived(replace(whole, crash=crash))
            if status is None:
                return Outcome(case, tuple(missed), found=(f"it hangs: {tail(whole)}",))
            if status == 0:
                missed += [crash] if crash else []
                break
            if not crash or status != -9:
                return Outcome(case, tuple(missed), found=(f"a process ended with {status}: {tail(whole)}",))
        return looked_at(case, tuple(missed), whole)


def lived(life: Life) -> int | None:
    """The exit status of a process; None if it had to be ended."""
    process = NEST.Process(target=host, args=(life,))
    with _one_looks:
        process.start()
    if not wait([process.sentinel], LIMIT_S):
        process.kill()
        wait([process.sentinel])
        return None
    with _one_looks:
        process.join()
        return process.exitcode


@contextmanager
def store_of(life: Life) -> Generator[Store]:
    store = open_store(life.database or Project(life.root), create=False)
    try:
        yield store
    finally:
        store.close()


def log_of(life: Life) -> Sequence[Entry]:
    with store_of(life) as store:
        return store.entries(life.run)


def tail(life: Life) -> str:
    """How far it came, and where its last process stood."""
    return ", ".join(entry.key for entry in log_of(life)[-12:]) + f"\n{(life.root / STACKS).read_text()}"


def looked_at(case: Case, missed: tuple[str, ...], life: Life) -> Outcome:
    log = log_of(life)
    lines = read_lines(life.root / SHOWN)
    found = problems(log, lines)
    kinds = Counter(entry.kind for entry in log)
    again, given_up = extra(lines), kinds["released"] + kinds["settled"]
    if again > SIDE_BY_SIDE * len(case.crashes) + given_up:
        found.append(f"{again} bodies ran again after {len(case.crashes)} crashes, and {given_up} that were given up")
    tally = json.loads((life.root / TALLY).read_text())
    return Outcome(case, missed, tally, end_of(life, log), tuple(found), kinds["settled"])


def end_of(life: Life, log: Sequence[Entry]) -> End:
    with store_of(life) as store:
        run, rows, left = store.run(life.run), store.nodes(life.run), store.open_commands(life.run)
    ended = [entry.data for entry in log if entry.kind == "ended" and entry.data["outcome"] == "finished"]
    frames = [entry.data for entry in log if entry.kind == "frame"]
    return End(
        run.status,
        str((run.error or {}).get("code", "")),
        {(row.node, row.iteration): (row.kind, row.state, row.attempt) for row in rows},
        {(data["node"], data["iteration"]): data["output"] for data in ended},
        Counter((c[1], c[2], c[3], c[4]) for frame in frames for c in frame.get("commands", ())),
        Counter(entry.kind if entry.kind in NUMBERED else entry.key for entry in log if is_told(entry)),
        Counter(row.command.kind for row in left),
    )


def is_told(entry: Entry) -> bool:
    return entry.kind in TOLD or entry.key.startswith(REFUSED)


def differences(undisturbed: Outcome, crashed: Outcome) -> list[str]:
    """Everything in which a crash shows."""
    found = [*crashed.found, *(f"{point} was not passed" for point in crashed.missed)]
    if undisturbed.end is None or crashed.end is None:
        return found
    was, now = undisturbed.end, crashed.end
    for name in ("status", "error", "nodes", "outputs", "decided", "left_open"):
        old, new = getattr(was, name), getattr(now, name)
        if old != new:
            found.append(f"{name}: {told(old, new)}")
    settled = crashed.settled - undisturbed.settled
    if (lost := was.commands - now.commands).total() > max(-settled, 0):
        found.append(f"commands that were never given: {dict(lost)}")
    if (more := now.commands - was.commands).total() > max(settled, 0):
        found.append(f"commands that were given again, though {crashed.settled} were settled: {dict(more)}")
    return found


def told(old: Any, new: Any) -> str:
    if isinstance(old, Mapping):
        keys = sorted({*old, *new}, key=str)
        return ", ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys if old.get(key) != new.get(key))
    return f"{old} -> {new}"
