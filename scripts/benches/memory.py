"""The peak memory of all our processes during a run of 10,000 tasks: command, worker, supervisor, Temporal server.

Counted as proportional set size, in which a page that several processes share counts once.
"""

from __future__ import annotations

import time
from pathlib import Path

from scripts.benches.commands import ended, planted, up
from scripts.benches.measure import Outcome
from scripts.benches.place import Place
from scripts.benches.rounds import alone
from smithers.project import Project
from smithers.temporal import local

TASKS = 10_000
EVERY_S = 0.1


def run(place: Place) -> list[Outcome]:
    return [alone("memory", place.rounds, lambda: peak(place), place.say)]


def peak(place: Place) -> float:
    """In MB."""
    folder = place.fresh()
    project = Project(folder)
    server = local.ensure(project)
    process = up(folder, planted(folder, "chain").name, input={"count": place.sized(TASKS)})
    highest = 0
    while process.poll() is None:
        highest = max(highest, sum(pss_bytes(pid) for pid in family(process.pid, server.supervisor_pid)))
        time.sleep(EVERY_S)
    ended(process, folder)
    server.close()
    local.stop(project)
    return highest / 1e6


def family(*roots: int) -> set[int]:
    """These processes and everything they have started."""
    parents = {int(entry.name): parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = set(roots)
    while more := {pid for pid, above in parents.items() if above in found} - found:
        found |= more
    return found


def parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0  # it has ended


def pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
