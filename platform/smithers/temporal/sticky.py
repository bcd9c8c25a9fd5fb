"""What waits for a process that has died: workflow tasks of drivers that it had in memory.

The server keeps a run's next workflow task for the process that holds its driver, in a "sticky" queue of that process,
and gives up after ten seconds. `ResetStickyTaskQueue` is for what comes later. What is in the queue already, somebody
has to take out: we poll it as if we were the dead one, and fail what we get; the server then gives it to anybody, with
the whole history. A reset comes too early for such a driver: the server hands its task to nobody then, and lets the ten
seconds pass. So those that may have something in the queue are reset when the queue has been empty for a while.

The queue's name begins with the identity of its process, and is found in the history of a run that was driven there.

A shorter timeout would do without this, and did: one second. But it holds for the living too. On a busy machine a
workflow task easily waits for a second; the server then takes the driver away from the process that has it and has it
replayed, which is twice the work when there is too much already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse
    from temporalio.client import Client

log = logging.getLogger(__name__)
STICKY: Final = timedelta(seconds=10)
"""How long a driver's next event waits for the process that has it in memory."""
LOOKS: Final = 16
"""In the histories of so many runs the queue's name is looked for."""
RECENT: Final = 50
"""Events at the end of a history."""
POLLERS: Final = 4
QUIET_S: Final = 2.0
"""A queue from which nothing has come for so long is empty."""
POLL: Final = timedelta(seconds=5)
"""The server refuses to be asked for much less."""
AT_ONCE: Final = 16
"""How many calls to the server are in flight."""

T = TypeVar("T")
R = TypeVar("R")
_background: set[asyncio.Task[None]] = set()


async def each(items: Sequence[T], call: Callable[[T], Awaitable[R]]) -> list[R]:
    """Calls for all, some at a time. One that fails is left out, and to Temporal's timeouts."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with gate:
            return await call(item)

    outcomes = await asyncio.gather(*map(one, items), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            log.debug("not handed on: %s", outcome)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


async def reset(client: Client, workflow_id: str) -> None:
    """The workflow's next task goes to anybody. One that waits already is lost to whoever polls for it, see above."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest

    execution = WorkflowExecution(workflow_id=workflow_id)
    request = ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution)
    await client.workflow_service.reset_sticky_task_queue(request)


def empty_soon(
    client: Client, owners: Sequence[str], drivers: Sequence[str], idle: Sequence[str], over: ExitStack
) -> None:
    """Hands on what waits for dead processes, the `owners`, and then resets the `idle` drivers, while others work.

    `drivers` are workflow ids of which some were driven by the owners, the likeliest first. `over` is left at the end,
    or by what kept us from getting there.
    """

    async def go() -> None:
        with over:
            await _empty_all(client, owners, drivers, idle)

    task = asyncio.create_task(go())
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _empty_all(client: Client, owners: Sequence[str], drivers: Sequence[str], idle: Sequence[str]) -> None:
    queues = [queue for queue in await each(owners, lambda owner: queue_of(client, owner, drivers)) if queue]
    polled = Polled()
    polling = [asyncio.create_task(polled.empty(client, queue)) for queue in queues for _ in range(POLLERS)]
    try:
        if queues:
            await polled.quiet()
        await each(idle, lambda workflow_id: reset(client, workflow_id))
    finally:
        for task in polling:
            task.cancel()
        await asyncio.gather(*polling, return_exceptions=True)
    log.info("%d drivers waited for %d dead workers", polled.count, len(owners))


@dataclass(slots=True)
class Polled:
    """What has come out of the queues of dead processes."""

    count: int = 0
    last: float = field(default_factory=time.monotonic)

    async def quiet(self) -> None:
        """Returns when nothing has come for a while."""
        while (left_s := self.last + QUIET_S - time.monotonic()) > 0:  # noqa: ASYNC110  it moves
            await asyncio.sleep(left_s)

    async def empty(self, client: Client, queue: str) -> None:
        """Until cancelled. Where the server does not let us, it gives up by itself in the end."""
        while True:
            task = await poll(client, queue)
            if task.task_token:
                await fail(client, task.task_token)
                self.count, self.last = self.count + 1, time.monotonic()


async def queue_of(client: Client, owner: str, drivers: Sequence[str]) -> str:
    """The sticky queue of a process; empty if no history says so."""
    named = await each(drivers[:LOOKS], lambda workflow_id: queue_in_history(client, owner, workflow_id))
    return next(filter(None, named), "")


async def queue_in_history(client: Client, owner: str, workflow_id: str) -> str:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest

    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        maximum_page_size=RECENT,
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    for event in answer.history.events:
        name = event.workflow_task_scheduled_event_attributes.task_queue.name
        if name.startswith(f"{owner}-"):
            return name
    return ""


async def poll(client: Client, queue: str) -> PollWorkflowTaskQueueResponse:
    from temporalio.api.enums.v1 import TaskQueueKind
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest

    sticky = TaskQueue(name=queue, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY)
    request = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=sticky, identity=client.identity)
    return await client.workflow_service.poll_workflow_task_queue(request, timeout=POLL)


async def fail(client: Client, token: bytes) -> None:
    from temporalio.api.enums.v1 import WorkflowTaskFailedCause
    from temporalio.api.workflowservice.v1 import RespondWorkflowTaskFailedRequest

    request = RespondWorkflowTaskFailedRequest(
        namespace=client.namespace,
        task_token=token,
        cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
        identity=client.identity,
    )
    await client.workflow_service.respond_workflow_task_failed(request)
