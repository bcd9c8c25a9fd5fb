"""Several processes work on one SQLite file at the same time, as fast as they can, and one reads along."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from smithers.engine.entry import Entry
from smithers.store.records import NewRun
from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.servers import store_process

BAD = ("database is locked", "STORE_UNAVAILABLE", "StoreUnavailable", "Traceback", "starting it again")
FLOWS = {"burst": {"group": 20}, "wide": {"group": 20, "side_by_side": True}}
MOST_EVENTS = "100000"


@dataclass
class Crowd:
    commits: dict[str, int] = field(default_factory=dict[str, int])
    gaps_ms: dict[str, float] = field(default_factory=dict[str, float])
    """95 of 100 commits of a run follow the one before them within this time."""
    writer: dict[str, Any] = field(default_factory=dict[str, Any])
    followed: int = 0
    problems: list[str] = field(default_factory=list[str])

    def summary(self) -> str:
        each = [f"{run} {count} commits, gap p95 {self.gaps_ms[run]:.0f} ms" for run, count in self.commits.items()]
        other = f"{self.writer['count']} appends, p50 {self.writer['p50']:.1f} ms, p95 {self.writer['p95']:.1f} ms"
        return (
            f"{', '.join(each)}; another writer: {other}, longest {self.writer['max']:.0f} ms; `events --follow` "
            f"showed {self.followed} events; {len(self.problems)} problems"
        )


def crowd(place: Place, seconds: float) -> Crowd:
    place.hold_server()
    with place.made() as store:
        store.create_run(NewRun("other", "nobody", {}, "d1", str(place.root / "nobody.py")))
    end = time.time() + seconds + 4
    commands = {run: place.up("steady", run, until=end, **given) for run, given in FLOWS.items()}
    for run in FLOWS:
        until(lambda run=run: place.has_begun(run), f"{run} has begun")
    words = ("events", "burst", "--follow", "--node", "t0", "--limit", MOST_EVENTS, "--format", "json")
    follower = place.begin(*words, log="events")
    writer = store_process.start("one", place.url, "other", max(1.0, end - time.time()))

    found = Crowd(writer=store_process.result(writer, within_s=seconds + 60))
    statuses = {run: command.wait(60) for run, command in commands.items()} | {"events": follower.wait(60)}
    found.problems += [f"{name} ended with {status}" for name, status in statuses.items() if status != 0]
    for name in statuses:
        found.problems += [f"{name} says {bad}: {place.said(name)[-2000:]}" for bad in BAD if bad in place.said(name)]
    for run in FLOWS:
        measure(place, run, found)
    follow_up(place, found)
    return found


def measure(place: Place, run: str, found: Crowd) -> None:
    log = place.open().entries(run)
    ends = [entry for entry in log if entry.kind == "ended"]
    found.commits[run] = len(ends)
    found.gaps_ms[run] = p95([after.at_ms - before.at_ms for before, after in pairwise(ends)])
    if [entry.seq for entry in log] != list(range(1, len(log) + 1)):
        found.problems.append(f"the log of {run} has a gap")


def follow_up(place: Place, found: Crowd) -> None:
    """What the follower showed is what is in the log."""
    shown = [json.loads(line) for line in place.said("events").splitlines() if line.startswith("{")]
    found.followed = len(shown)
    ended = [entry for entry in place.open().entries("burst") if is_first(entry)]
    finished = sum(event.get("type") == "NodeFinished" for event in shown)
    if finished != len(ended):
        found.problems.append(f"the follower has shown {finished} ends of t0, the log has {len(ended)}")


def is_first(entry: Entry) -> bool:
    return entry.kind == "ended" and entry.data["node"] == "t0"


def p95(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=100)[94] if len(samples) > 1 else 0.0
