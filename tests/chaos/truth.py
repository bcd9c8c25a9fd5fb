"""What must hold for every run, whatever happened to the processes around it.

The log is compared with the lines that bodies have left outside: a line says that a body really ran, in which process
and when, whatever the platform believes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from smithers.engine.entry import Entry

Node = tuple[str, str]
"""Its id and its iteration."""
Attempt = tuple[str, str, int]
CLOCK_MS = 2
"""The log's times are whole milliseconds."""


@dataclass(frozen=True)
class Line:
    node: str
    iteration: str
    attempt: int
    nth: int
    """Which claim the body had."""
    pid: int
    at_ms: float

    @property
    def key(self) -> Node:
        return self.node, self.iteration

    @property
    def claim(self) -> tuple[str, str, int, int]:
        return self.node, self.iteration, self.attempt, self.nth


def read_lines(path: Path) -> list[Line]:
    """Whole lines only: one may be being written."""
    text = path.read_text() if path.exists() else ""
    return [read_line(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def read_line(text: str) -> Line:
    node, iteration, attempt, nth, pid, at_ns = text.split()
    return Line(node, iteration.strip("-"), int(attempt), int(nth), int(pid), int(at_ns) / 1e6)


def node_of(entry: Entry) -> Node:
    return entry.data["node"], entry.data["iteration"]


def attempt_of(entry: Entry) -> Attempt:
    return entry.data["node"], entry.data["iteration"], entry.data["attempt"]


def commits(log: Sequence[Entry]) -> dict[Node, Entry]:
    """The entry after which a node's body must never run again."""
    return {node_of(entry): entry for entry in log if entry.kind == "ended" and entry.data["outcome"] == "finished"}


def unended(log: Sequence[Entry]) -> Counter[Attempt]:
    """How often each attempt that has no end has been begun."""
    over = {attempt_of(entry) for entry in log if entry.kind == "ended"}
    begun = Counter(attempt_of(entry) for entry in log if entry.kind == "claim")
    return Counter({attempt: count for attempt, count in begun.items() if attempt not in over})


def extra(lines: Sequence[Line]) -> int:
    """How many bodies ran that would not have run on a good day."""
    return len(lines) - len({(line.node, line.iteration, line.attempt) for line in lines})


def problems(log: Sequence[Entry], lines: Sequence[Line], *, zombies: bool = False) -> list[str]:
    """Everything that must not be. `zombies`: processes were stopped and went on after others had taken over, so a body
    that had been begun may leave its line late."""
    found = [*of_log(log), *of_claims(log), *of_lines(log, lines)]
    return found if zombies else [*found, *late_lines(log, lines)]


def of_log(log: Sequence[Entry]) -> list[str]:
    found: list[str] = []
    if [entry.seq for entry in log] != list(range(1, len(log) + 1)):
        found.append("the log has a gap")
    found += [f"{key} is stored {count} times" for key, count in Counter(e.key for e in log).items() if count > 1]
    found += [f"{new.key} is older than the entry before" for old, new in pairwise(log) if new.at_ms < old.at_ms]
    ends = Counter(attempt_of(entry) for entry in log if entry.kind == "ended")
    found += [f"{attempt} ended {count} times" for attempt, count in ends.items() if count > 1]
    decided = Counter(node_of(entry) for entry in log if entry.kind == "decided")
    found += [f"{node} was decided {count} times" for node, count in decided.items() if count > 1]
    return found


def of_claims(log: Sequence[Entry]) -> list[str]:
    done = commits(log)
    claims = [entry for entry in log if entry.kind == "claim"]
    late = [entry for entry in claims if node_of(entry) in done and entry.seq > done[node_of(entry)].seq]
    return [f"{entry.key} was begun after its node had been committed" for entry in late]


def of_lines(log: Sequence[Entry], lines: Sequence[Line]) -> list[str]:
    """Each line has its claim, each claim at most one line, each commit at least one, but where a run of its own
    stands for the node."""
    claims = {(*attempt_of(entry), entry.data["nth"]) for entry in log if entry.kind == "claim"}
    found = [f"a body of {line.claim} ran without a claim" for line in lines if line.claim not in claims]
    ran = Counter(line.claim for line in lines)
    found += [f"{claim} ran {count} times under one claim" for claim, count in ran.items() if count > 1]
    shown = {line.key for line in lines} | {node_of(entry) for entry in log if entry.kind == "launched"}
    found += [f"{node} is committed, but its body never ran" for node in commits(log) if node not in shown]
    return found


def late_lines(log: Sequence[Entry], lines: Sequence[Line]) -> list[str]:
    """No body runs after its node was committed."""
    done = commits(log)
    late = [line for line in lines if line.key in done and line.at_ms > done[line.key].at_ms + CLOCK_MS]
    return [f"{line.claim} ran {line.at_ms - done[line.key].at_ms:.1f} ms after its commit" for line in late]


def by_node(lines: Sequence[Line]) -> dict[Node, list[Line]]:
    found: dict[Node, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.key].append(line)
    return found
