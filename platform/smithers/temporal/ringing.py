"""Rings a run through a Temporal client: signal-with-start, without payload, on the run's workflow id.

If the run has no open driver, this starts one; if it has, the signal wakes it. So start, resume, wake-up and
drive-again are all "append, then ring", and a ring too many costs a fetch. A driver has the priority it began with.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from smithers.errors import WorkflowTaken
from smithers.store import faults
from smithers.store.records import Run
from smithers.temporal.driver import TASK_TIMEOUT
from smithers.temporal.order import RING, driver_queue
from smithers.temporal.priorities import priority_of


async def ring(client: Client, project: str, run: Run, *, limit: timedelta = timedelta(seconds=10)) -> None:
    """Raises temporalio's `RPCError` when the server does not take it; `WorkflowTaken`, of a run that is new, where
    another project has a driver of that id."""
    if faults.armed:
        faults.before("ring")
    driver = await client.start_workflow(
        run.workflow,
        {"run": run.run_id, "epoch": run.epoch},
        id=run.run_id,
        task_queue=driver_queue(project),
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=TASK_TIMEOUT,
        start_signal=RING,
        priority=Priority(**priority_of(run)),
        rpc_timeout=limit,
    )
    if faults.armed:
        faults.after("ring")
    if run.head == 1:
        queue = (await driver.describe(rpc_timeout=limit)).task_queue
        if queue != driver_queue(project):
            raise taken(client.namespace, run, queue)


def taken(namespace: str, run: Run, queue: str) -> WorkflowTaken:
    return WorkflowTaken(
        f"Run {run.run_id!r} cannot begin: in Temporal's namespace {namespace!r} a workflow has this id already, whose "
        f"tasks wait in the queue {queue!r}, which is not this project's. Projects with stores of their own need a "
        "namespace each: set TEMPORAL_NAMESPACE to one of this project's own, then "
        f"`smithers up --resume {run.run_id}`.",
        run=run.run_id,
        queue=queue,
        namespace=namespace,
    )
