"""The burst's append against a bare loop: `python tests/bench/store_append.py [tasks] [rounds]`.

Both store with full sync on the same disk, in interleaved rounds. The bare loop commits three rows per task into one
table; the store commits what a burst stores per task: the task's `ended`, the frame with the next command and two node
rows, the next task's claim. Prints raw samples, medians, the ratio, and bytes per task after a checkpoint.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from smithers.engine.command import Command
from smithers.engine.entry import Fact, OpenCommand, claim_key, ended_key
from smithers.engine.frame import NodeRow
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun, PlanWrite

DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
PAYLOAD = {"call": "flow:step", "args": [1, "a value"], "output": "Patch"}


def bare(folder: Path, tasks: int) -> float:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, kind TEXT, data TEXT)")
    began = time.perf_counter()
    for task in range(tasks):
        connection.execute("BEGIN IMMEDIATE")
        for kind in ("ended", "frame", "claim"):
            data = f'{{"n":{task},"node":"step-{task}","iteration":"0","attempt":1,"output":{{"value":{task}}}}}'
            connection.execute("INSERT INTO log (kind, data) VALUES (?, ?)", (kind, data))
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return tasks / took


def claim(n: int) -> Fact:
    data = {"n": n, "node": f"step-{n}", "iteration": "0", "attempt": 1, "nth": 1, "owner": 1, "worker": "host:1:2"}
    return Fact("claim", claim_key(f"step-{n}", "0", 1, 1), data, OpenCommand(n, closes=False))


def plan(n: int, base: int, covers: int) -> PlanWrite:
    done = (NodeRow(f"step-{n - 1}", "0", "task", "finished", 1, f"step {n - 1}", n - 1),) if n > 1 else ()
    started = NodeRow(f"step-{n}", "0", "task", "running", 1, f"step {n}", n)
    return PlanWrite(
        base=base,
        covers=covers,
        owner=1,
        frame=Fact("frame", f"frame:{n}", {"number": n, "owner": 1, "commands": [n], "states": {f"step-{n}": "run"}}),
        commands=(Command(n, "run", f"step-{n}", "0", 1, burst=True, payload=PAYLOAD),),
        nodes=(*done, started),
        digest=DIGEST,
    )


def burst(store: Store, run_id: str, tasks: int) -> None:
    store.create_run(NewRun(run_id, "bench", {}, DIGEST, "/flow.py"))
    stored = store.append(Append(run_id, plan=plan(1, 0, 1), epoch=1, code=DIGEST, after=(claim(1),)))
    base, head = 1, stored.head
    for n in range(2, tasks + 2):
        data = {"n": n - 1, "node": f"step-{n - 1}", "iteration": "0", "attempt": 1, "outcome": "finished"}
        data |= {"output": {"value": n}, "ms": 1}
        ended = Fact("ended", ended_key(f"step-{n - 1}", "0", 1), data, OpenCommand(n - 1))
        stored = store.append(
            Append(run_id, (ended,), plan(n, base, -1), epoch=1, head_seen=head, code=DIGEST, after=(claim(n),))
        )
        assert stored.planned
        base, head = head + 1, stored.head


def smithers(folder: Path, tasks: int) -> float:
    store = open_store(f"sqlite:///{folder / 'store.db'}", create=True)
    began = time.perf_counter()
    burst(store, "run", tasks)
    took = time.perf_counter() - began
    store.close()
    return tasks / took


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    samples: dict[str, list[float]] = {"bare": [], "store": []}
    size = 0
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="store-bench-", dir=Path.cwd()))
        try:
            samples["bare"].append(bare(folder, tasks))
            samples["store"].append(smithers(folder, tasks))
            size = (folder / "store.db").stat().st_size
        finally:
            shutil.rmtree(folder)
    for name, values in samples.items():
        print(f"{name}: median {statistics.median(values):.0f}/s of {[round(value) for value in values]}")
    ratios = [store / loop for store, loop in zip(samples["store"], samples["bare"], strict=True)]
    print(f"ratio: median {statistics.median(ratios):.2f} of {[round(ratio, 2) for ratio in ratios]}")
    print(f"bytes per task: {size / tasks:.0f}")


if __name__ == "__main__":
    main()
