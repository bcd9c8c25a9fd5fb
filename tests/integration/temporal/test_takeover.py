"""What a process had when it died and has not noted is handed on at once too: a step that it had just been given, and
what Temporal keeps for the process that has a driver in memory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, PollActivityTaskQueueResponse
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from smithers.project import Project
from smithers.temporal import identity, sticky, takeover
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


@workflow.defn(sandboxed=False)
class OneSignal:
    def __init__(self) -> None:
        self.told = False

    @workflow.signal
    def go(self) -> None:
        self.told = True

    @workflow.run
    async def run(self) -> bool:
        await workflow.wait_condition(lambda: self.told)
        return self.told


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


def dead_ledgers(place: Place) -> list[str]:
    return [path.name for path in ledgers(place.project).iterdir()]


def note_another_step_of(place: Place, run_id: str, dead: str) -> None:
    """The dead one had worked on this run: a step that is long over."""
    ledger = Ledger(place.project)
    ledger.put(run_id, b"over")
    (ledgers(place.project) / dead).write_bytes(ledger.path.read_bytes())
    ledger.close()


def drive(folder: str) -> None:
    """Drives workflows until killed, as a worker of the project in `folder` does."""

    async def go() -> None:
        project = Project(Path(folder))
        Ledger(project)
        client = await connect(project, os.environ["TEMPORAL_ADDRESS"], identity=str(identity.own()))
        await Worker(client, task_queue=f"{project.name}-driver", workflows=[OneSignal]).run()

    asyncio.run(go())


async def happened(client: Client, workflow_id: str, kind: EventType.ValueType) -> int:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return sum(event.event_type == kind for event in history.events)


@pytest.mark.timeout(60)
def test_a_signal_that_waits_for_a_dead_process_is_given_to_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = place.project.name
    program = f"from {__name__} import drive; drive({str(place.project.root)!r})"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3])

    async def go() -> None:
        client = await connect(place.project, place.project.temporal_address)
        handle = await client.start_workflow("OneSignal", id=name, task_queue=f"{name}-driver")
        while not await happened(client, name, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        kill(process)
        await handle.signal(OneSignal.go)
        await takeover.take_over(place.project, client, [name])

    async def go_on() -> tuple[bool, int, int]:
        client = await connect(place.project, place.project.temporal_address)
        async with Worker(client, task_queue=f"{name}-driver", workflows=[OneSignal]):
            await takeover.take_over(place.project, client, [name])
            told = await client.get_workflow_handle_for(OneSignal.run, name).result()
            async with asyncio.timeout(30):
                while dead_ledgers(place):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        handed_on = await happened(client, name, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        return told, handed_on, await happened(client, name, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(sticky, "queue_of", never)
            asyncio.run(go())
        assert len(dead_ledgers(place)) == 1, "who took over first did not get to the end"
        assert asyncio.run(go_on()) == (True, 1, 0)
    finally:
        kill(process)


async def never(*_: object) -> str:
    await asyncio.Event().wait()
    return ""


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
