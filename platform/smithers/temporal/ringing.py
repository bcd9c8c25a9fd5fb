"""Rings a run through a Temporal client: signal-with-start, without payload, on the run's workflow id.

If the run has no open driver, this starts one; if it has, the signal wakes it. So start, resume, wake-up and
drive-again are all "append, then ring", and a ring too many costs a fetch. A driver has the priority it began with.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from smithers.store import faults
from smithers.store.records import Run
from smithers.temporal.driver import TASK_TIMEOUT
from smithers.temporal.order import RING, driver_queue
from smithers.temporal.priorities import priority_of


async def ring(client: Client, project: str, run: Run, *, limit: timedelta = timedelta(seconds=10)) -> None:
    """Raises temporalio's `RPCError` when the server does not take it."""
    if faults.armed:
        faults.before("ring")
    await client.start_workflow(
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
