"""One scenario with crashes at given points, and what is left of it."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smithers.engine.entry import Entry
from smithers.project import Project
from smithers.store import open_store
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
Where = tuple[str, str]


@dataclass(frozen=True, order=True)
class Case:
    scenario: str
    crashes: tuple[str, ...] = ()
    """Of one process after the other: `POINT` or `POINT:NTH`."""

    def __str__(self) -> str:
        return f"{self.scenario} {' '.join(self.crashes) or 'undisturbed'}"


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
    """Keys of answers, votes, signals and the like."""
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


def carried_out(case: Case, address: str, above: Path | None = None) -> Outcome:
    """Runs a case. Blocks for as long as its processes live.

    How often a point is passed may depend on times. Where one was not, it is tried again, at its first passing.
    """
    outcome = tried(case, address, above)
    for _ in range(MORE_TRIES):
        if not outcome.missed or outcome.found:
            break
        outcome = tried(Case(case.scenario, tuple(map(first, case.crashes))), address, above)
    return outcome


def first(crash: str) -> str:
    return crash.partition(":")[0]


def tried(case: Case, address: str, above: Path | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="smx-", dir=above, ignore_cleanup_errors=True) as name:
        root = Path(name).resolve() / Path(name).name
        (root / ".smithers").mkdir(parents=True)
        missed: list[str] = []
        for crash in (*case.crashes, ""):
            status = lived(Life(root, address, case.scenario, crash))
            if status is None:
                return Outcome(case, tuple(missed), found=(f"it hangs: {tail(root)}",))
            if status == 0:
                missed += [crash] if crash else []
                break
            if not crash or status != -9:
                return Outcome(case, tuple(missed), found=(f"a process ended with {status}: {tail(root)}",))
        return looked_at(case, tuple(missed), root)


def lived(life: Life) -> int | None:
    """The exit status of a process; None if it had to be ended."""
    process = NEST.Process(target=host, args=(life,))
    process.start()
    process.join(LIMIT_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def log_of(root: Path) -> Sequence[Entry]:
    store = open_store(Project(root), create=False)
    try:
        return store.entries(root.name)
    finally:
        store.close()


def tail(root: Path) -> str:
    """How far it came, and where its last process stood."""
    return ", ".join(entry.key for entry in log_of(root)[-12:]) + f"\n{(root / STACKS).read_text()}"


def looked_at(case: Case, missed: tuple[str, ...], root: Path) -> Outcome:
    log = log_of(root)
    lines = read_lines(root / SHOWN)
    found = problems(log, lines)
    again = extra(lines)
    if again > SIDE_BY_SIDE * len(case.crashes):
        found.append(f"{again} bodies ran again after {len(case.crashes)} crashes")
    settled = sum(entry.kind == "settled" for entry in log)
    tally = json.loads((root / TALLY).read_text())
    return Outcome(case, missed, tally, end_of(root, log), tuple(found), settled)


def end_of(root: Path, log: Sequence[Entry]) -> End:
    store = open_store(Project(root), create=False)
    try:
        run, rows, left = store.run(root.name), store.nodes(root.name), store.open_commands(root.name)
    finally:
        store.close()
    ended = [entry.data for entry in log if entry.kind == "ended" and entry.data["outcome"] == "finished"]
    frames = [entry.data for entry in log if entry.kind == "frame"]
    told = {"decided", "voted", "signal", "cancel", "resumed", "fired", "started"}
    told |= {"withdrawn", "delegated", "reminded", "escalated"}
    return End(
        run.status,
        str((run.error or {}).get("code", "")),
        {(row.node, row.iteration): (row.kind, row.state, row.attempt) for row in rows},
        {(data["node"], data["iteration"]): data["output"] for data in ended},
        Counter((c[1], c[2], c[3], c[4]) for frame in frames for c in frame.get("commands", ())),
        Counter(entry.key if entry.kind != "fired" else "fired" for entry in log if entry.kind in told),
        Counter(row.command.kind for row in left),
    )


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
    if lost := was.commands - now.commands:
        found.append(f"commands that were never given: {dict(lost)}")
    if (more := now.commands - was.commands).total() > crashed.settled - undisturbed.settled:
        found.append(f"commands that were given again, though {crashed.settled} were settled: {dict(more)}")
    return found


def told(old: Any, new: Any) -> str:
    if isinstance(old, Mapping):
        keys = sorted({*old, *new}, key=str)
        return ", ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys if old.get(key) != new.get(key))
    return f"{old} -> {new}"
