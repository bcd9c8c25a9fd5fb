"""Our side: runs carried out by an embedded worker of this process, on the same server as the other side's.

Everything that the benchmarks ask of the platform goes through here.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowFailureError

from scripts.benches.connection import connected, finished
from scripts.benches.place import FLOWS, Place
from smithers.engine.entry import Fact, NodeState, OpenRun
from smithers.engine.inbox import Sent
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings

FINAL = ("finished", "failed", "cancelled")
PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Ours:
    """A running worker for one workflow file, with the store it works on."""

    code: LoadedCode
    store: Store
    worker: EmbeddedWorker
    loop: asyncio.AbstractEventLoop
    client: Client

    def start(self, input: dict[str, Any]) -> str:
        """Stores a run and rings; returns its id."""
        run_id = f"bench-{uuid.uuid4().hex[:12]}"
        new = NewRun(run_id, self.code.workflow.name, input, self.code.digest, str(self.code.source))
        self.store.create_run(new)
        self.worker.ring(run_id)
        return run_id

    def wait(self, run_id: str, *statuses: str) -> str:
        """Returns once the run has one of these statuses; raises if it ended otherwise.

        The time between two looks is a two-hundredth of the time waited: looking takes the worker's interpreter too,
        and must neither slow down what is measured nor blur it.
        """
        begun = time.monotonic()
        while (run := self.store.run(run_id)).status not in statuses:
            waited = time.monotonic() - begun
            if run.status in FINAL or waited > PATIENCE_S:
                raise RuntimeError(f"{run.workflow} is {run.status}, not {' or '.join(statuses)}: {run.error}")
            time.sleep(min(max(waited / 200, 0.001), 0.05))
        return run.status

    def finished(self, input: dict[str, Any]) -> float:
        """Runs to the end; returns seconds from before the run is stored until Temporal says that its driver has ended,
        which comes after the run's end is stored. The other side is waited for in the same way."""
        begun = time.perf_counter()
        run_id = self.start(input)
        finished(self.loop, result(self.client, run_id))
        took = time.perf_counter() - begun
        self.wait(run_id, "finished")
        return took

    def rate(self, count: int, **input: Any) -> float:
        """Tasks per second of a run of `count` tasks."""
        return count / self.finished({"count": count, **input})

    def waits(self, run_id: str, node: str) -> bool:
        return any(row.node == node and row.state == "waiting-approval" for row in self.store.nodes(run_id))

    def approve(self, run_id: str, node: str) -> None:
        """What `smithers approve` does: a fact, then the bell."""
        at = self.store.node(run_id, node).iteration
        about = {"node": node, "iteration": at, "approved": True, "by": "bench", "note": None}
        fact = Fact("decided", f"decided:{node}:{at}", about, NodeState(node, at, ("waiting-approval",)))
        done = self.store.append(Append(run_id, (fact,)))
        if done.outcomes != ("stored",):
            raise RuntimeError(f"the decision about {node} was not stored: {done.outcomes}")
        self.worker.ring(run_id)

    def send(self, run_id: str, name: str, payload: Any = None, *, correlation: str | None = None) -> None:
        """What `smithers signal` does: a fact, then the bell."""
        sent = Sent(name, payload, correlation, "bench", time.time_ns())
        done = self.store.append(Append(run_id, (sent.fact,)))
        if done.outcomes != ("stored",):
            raise RuntimeError(f"event {name!r} was not stored: {done.outcomes}")
        self.worker.ring(run_id)

    def cancel(self, run_id: str) -> None:
        self.store.append(Append(run_id, (Fact("cancel", "cancel", {"by": "bench", "reason": ""}, OpenRun()),)))
        self.worker.ring(run_id)

    def output(self, run_id: str, node: str) -> dict[str, Any] | None:
        """The output of a node that has one."""
        for entry in self.store.entries_by_key(run_id, f"ended:{node}:"):
            if entry.data["outcome"] == "finished":
                return entry.data["output"]
        return None


async def result(client: Client, run_id: str) -> None:
    with suppress(WorkflowFailureError):  # what has become of the run, its log says
        await client.get_workflow_handle(run_id).result()


@contextmanager
def ours(place: Place, flow: str, *, bursts: bool) -> Generator[Ours]:
    """Without `bursts` every task is an activity of its own, as it is by hand."""
    code = load(FLOWS / f"{flow}.py")
    store = open_store(place.project, create=True)
    worker = EmbeddedWorker(place.project, code, WorkerSettings(burst_s=1.0 if bursts else 0), store=store)
    worker.start()
    try:
        with connected(place, "bench") as (loop, client):
            yield Ours(code, store, worker, loop, client)
    finally:
        worker.stop(5.0)
        store.close()
