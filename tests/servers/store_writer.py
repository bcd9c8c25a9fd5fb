"""A process that writes to a store, for tests that kill or crowd it: `python -m tests.servers.store_writer ...`.

`burst URL RUN SECONDS` appends as a burst does, one task after another; `one URL RUN SECONDS` appends a fact every few
milliseconds, as people and children do; `follow URL RUN SECONDS` reads what is new. Each prints a line when it has
begun, and at the end its count and its times in milliseconds as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from smithers.engine.command import Command
from smithers.engine.entry import Fact, OpenCommand, claim_key, ended_key
from smithers.engine.frame import NodeRow
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, PlanWrite


def claim(n: int) -> Fact:
    return Fact("claim", claim_key(f"t{n}", "0", 1, 1), {"n": n}, OpenCommand(n, closes=False))


def plan(n: int, base: int) -> PlanWrite:
    frame = Fact("frame", f"frame:{n}", {"number": n, "commands": [n]})
    nodes = (NodeRow(f"t{n}", "0", "task", "running"), NodeRow(f"t{n - 1}", "0", "task", "finished"))
    return PlanWrite(base, -1, 1, frame, (Command(n, "run", f"t{n}", "0", 1, burst=True),), nodes=nodes)


class Burst:
    """Task n's fact, the plan of task n + 1 and its claim in one append. Goes on where a killed one ended."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._open = [row.command.n for row in store.open_commands(run_id)]

    def __call__(self) -> None:
        run = self._store.run(self._run_id)
        n = self._open[-1] if self._open else 0
        facts = (Fact("ended", ended_key(f"t{n}", "0", 1), {"n": n}, OpenCommand(n)),) if n else ()
        request = Append(self._run_id, facts, plan(n + 1, run.planned), 1, run.head, code="d1", after=(claim(n + 1),))
        done = self._store.append(request)
        self._open = [n + 1] if done.planned else []
        assert done.planned, done


class One:
    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        key = f"retried:{self._count}:{time.time_ns()}"
        assert self._store.append(Append(self._run_id, (Fact("retried", key),))).outcomes == ("stored",)


class Follow:
    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._seen = 0

    def __call__(self) -> None:
        for entry in self._store.entries(self._run_id, after=self._seen):
            assert entry.seq == self._seen + 1, (entry.seq, self._seen)
            self._seen = entry.seq


KINDS: dict[str, tuple[Callable[[Store, str], Callable[[], None]], float]] = {
    "burst": (Burst, 0),
    "one": (One, 0.003),
    "follow": (Follow, 0.001),
}


def main(kind: str, url: str, run_id: str, seconds: float) -> None:
    make, pause_s = KINDS[kind]
    store = open_store(url, create=False)
    act = make(store, run_id)
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
        if len(times) == 1:
            print("begun", flush=True)
        time.sleep(pause_s)
    store.close()
    parts = statistics.quantiles(times, n=100)
    print(json.dumps({"count": len(times), "p50": parts[49], "p95": parts[94], "max": max(times)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
