"""What we promise, as data; `docs/performance.md` explains the numbers."""

from __future__ import annotations

from typing import Final

from scripts.benches.measure import Goal, Limit

TASKS: Final = "tasks/s"
BY_HAND: Final = "a hand-written Temporal workflow, same server"
FLAT: Final = Goal("ms/task", (Limit("ratio", 1.2),), "the same with 100 tasks")
TAKEOVER_SAMPLES: Final = 30
KIB: Final = 1024

GOALS: Final[dict[str, Goal]] = {
    "sequence": Goal(TASKS, (Limit("ratio", 0.9, more_is_better=True),), BY_HAND),
    "parallel": Goal(TASKS, (Limit("ratio", 0.9, more_is_better=True),), BY_HAND),
    "compute": Goal(
        TASKS,
        (Limit("ratio", 0.5, more_is_better=True), Limit("median", 1000, more_is_better=True)),
        "a bare loop of one three-row commit per task, same disk, full sync",
    ),
    "flat.chain": FLAT,
    "flat.reading": FLAT,
    "flat.parallel": FLAT,
    "hello": Goal("s", (Limit("ratio", 3.0),), "python -c 'import temporalio'"),
    "memory": Goal("MB", (Limit("max", 300.0),)),
    "stored.burst": Goal("bytes/task", (Limit("median", 1.5 * KIB),)),
    "stored.isolated": Goal("bytes/task", (Limit("median", 5.0 * KIB),)),
    "wake.idle": Goal("ms", (Limit("median", 20.0), Limit("p95", 60.0))),
    "wake.busy": Goal("ms", (Limit("median", 50.0), Limit("p95", 150.0))),
    "wake.crowded": Goal("ms", (Limit("median", 50.0), Limit("p95", 150.0))),
    "waiting.memory": Goal("MB", (Limit("max", 500.0),)),
    "waiting.broadcast": Goal("s", (Limit("ratio", 1.5),), "as many hand-written workflows"),
    "long.pause": Goal("ms", (Limit("max", 250.0),)),
    "poller.flat": Goal("ms/pass", (Limit("ratio", 1.2),), "the first tenth of its passes"),
    "poller.cold": Goal("s", (Limit("median", 1.0),)),
    "takeover": Goal("s", (Limit("median", 1.0), Limit("p95", 2.5))),
}
