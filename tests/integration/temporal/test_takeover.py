"""A step that was handed to a process just before it died, so that it has not noted it, is handed on at once too."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, PollActivityTaskQueueResponse
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from smithers.temporal import identity, takeover
from smithers.temporal.client import connect
from smithers.temporal.takeover import Ledger, ledgers
from tests.integration.temporal.conftest import Place

PATIENCE = timedelta(seconds=50)


@workflow.defn(sandboxed=False)
class OneStep:
    @workflow.run
    async def run(self, queue: str) -> None:
        again = RetryPolicy(initial_interval=PATIENCE)
        await workflow.execute_activity(
            "step", task_queue=queue, start_to_close_timeout=PATIENCE, heartbeat_timeout=PATIENCE, retry_policy=again
        )


def dead_identity() -> str:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = str(replace(identity.own(), pid=process.pid, born=identity.born(process.pid)))
    process.communicate(b"\n")
    return name


async def take(client: Client, queue: str, by: str) -> PollActivityTaskQueueResponse:
    """Waits for a step as a worker does."""
    request = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=by)
    return await client.workflow_service.poll_activity_task_queue(request, timeout=timedelta(seconds=20))


@pytest.mark.timeout(60)
def test_a_step_that_its_dead_worker_had_not_noted_is_handed_on(place: Place) -> None:
    name, dead = place.project.name, dead_identity()

    async def go() -> int:
        client = await connect(place.project, place.project.temporal_address)
        async with Worker(client, task_queue=f"{name}-driver", workflows=[OneStep]):
            await client.start_workflow("OneStep", f"{name}-steps", id=name, task_queue=f"{name}-driver")
            first = await take(client, f"{name}-steps", dead)
            assert first.attempt == 1
            note_another_step_of(place, name, dead)

            assert await takeover.take_over(place.project, client, [name]) == 1
            second = await take(client, f"{name}-steps", "living")
            await client.get_workflow_handle(name).terminate()
            return second.attempt

    assert asyncio.run(go()) == 2


def note_another_step_of(place: Place, run_id: str, dead: str) -> None:
    """The dead one had worked on this run: a step that is long over."""
    ledger = Ledger(place.project)
    ledger.put(run_id, b"over")
    (ledgers(place.project) / dead).write_bytes(ledger.path.read_bytes())
    ledger.close()
