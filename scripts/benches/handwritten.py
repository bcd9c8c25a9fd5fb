"""The other side: what an engineer writes on Temporal's SDK by hand for the same work, storing nothing elsewhere.

One worker process with the SDK's defaults, no workflow sandbox (as ours), the same server. It runs in this process, on
a thread with a loop of its own, as our embedded worker does.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from scripts.benches.connection import connected, finished
from scripts.benches.place import Place

T = TypeVar("T")
QUEUE = "by-hand"
LIMIT = timedelta(seconds=30)
STARTERS = 16
AT_MOST = 1000
"""Activities that the worker runs at once; the workflow's own cap is lower."""


@activity.defn
async def nothing(number: int) -> int:
    return number


@activity.defn
async def moment() -> float:
    at = time.time()
    began.append(at)
    return at


began: list[float] = []
"""When each `moment` began, since the list was emptied."""


@workflow.defn
class InSequence:
    @workflow.run
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await workflow.execute_activity(nothing, number, start_to_close_timeout=LIMIT)
        return total


@workflow.defn
class InParallel:
    @workflow.run
    async def run(self, count: int, cap: int) -> int:
        slots = asyncio.Semaphore(cap)

        async def one(number: int) -> int:
            async with slots:
                return await workflow.execute_activity(nothing, number, start_to_close_timeout=LIMIT)

        return sum(await asyncio.gather(*[one(number) for number in range(count)]))


@workflow.defn
class Waiting:
    """Does one activity after each signal."""

    def __init__(self) -> None:
        self.told = 0

    @workflow.signal
    def go(self) -> None:
        self.told += 1

    @workflow.run
    async def run(self, count: int) -> float:
        at = 0.0
        for number in range(count):
            await workflow.wait_condition(lambda number=number: self.told > number)
            at = await workflow.execute_activity(moment, start_to_close_timeout=LIMIT)
        return at


class ByHand:
    """A running worker with a client, to be called from a plain thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Client) -> None:
        self.loop = loop
        self.client = client

    def sequence(self, count: int) -> float:
        """Tasks per second of one workflow, from its start until its result is here."""
        return self._rate(InSequence.__name__, [count], count)

    def parallel(self, count: int, cap: int) -> float:
        return self._rate(InParallel.__name__, [count, cap], count)

    def waiting(self, count: int, signals: int) -> list[WorkflowHandle[Any, Any]]:
        """Workflows that all wait for their first signal."""

        async def start(number: int) -> WorkflowHandle[Any, Any]:
            id = f"by-hand-{number}-{uuid.uuid4()}"
            return await self.client.start_workflow(Waiting.__name__, signals, id=id, task_queue=QUEUE)

        return finished(self.loop, in_turns(start, range(count), STARTERS))

    def told(self, waiting: list[WorkflowHandle[Any, Any]], senders: int) -> float:
        """Seconds from the first signal sent until the last workflow's next activity had begun."""
        began.clear()
        begun = time.time()
        finished(self.loop, in_turns(lambda handle: handle.signal(Waiting.go), waiting, senders))
        while len(began) < len(waiting):
            time.sleep(0.005)
        return max(began) - begun

    def _rate(self, name: str, args: list[Any], count: int) -> float:
        begun = time.perf_counter()
        call = self.client.execute_workflow(name, args=args, id=f"by-hand-{uuid.uuid4()}", task_queue=QUEUE)
        result: Any = finished(self.loop, call)
        took = time.perf_counter() - begun
        if result != count * (count - 1) // 2:
            raise RuntimeError(f"{name} of {count} gave {result}")
        return count / took


async def in_turns(work: Callable[[Any], Coroutine[Any, Any, T]], items: Iterable[Any], at_once: int) -> list[T]:
    slots = asyncio.Semaphore(at_once)

    async def one(item: Any) -> T:
        async with slots:
            return await work(item)

    return list(await asyncio.gather(*map(one, items)))


@contextmanager
def by_hand(place: Place) -> Generator[ByHand]:
    with connected(place, "by-hand") as (loop, client):
        worker = finished(loop, made(client))
        running = asyncio.run_coroutine_threadsafe(worker.run(), loop)
        try:
            yield ByHand(loop, client)
        finally:
            finished(loop, worker.shutdown())
            running.result()


async def made(client: Client) -> Worker:
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[InSequence, InParallel, Waiting],
        activities=[nothing, moment],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=AT_MOST,
    )
