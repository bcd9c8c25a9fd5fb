"""The Temporal workers of a process: which queues it serves, and how they begin and end together."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from smithers import __version__
from smithers.temporal.activity import Pulse, StepActivity
from smithers.temporal.driver import Driver, LongTask
from smithers.temporal.order import code_queue, driver_queue, light_queue, plan_queue
from smithers.temporal.scheduled import Scheduled, ScheduledActivities, Starter, schedule_queue
from smithers.temporal.sticky import STICKY
from smithers.temporal.workshop import Workshop

if TYPE_CHECKING:
    from temporalio.client import Client

log = logging.getLogger(__name__)
UNSANDBOXED: Final = UnsandboxedWorkflowRunner()
"""Nothing in our workflows is an author's."""
LEEWAY_S: Final = 3.0
"""Between asking bodies to stop and leaving them behind."""
LAST_WORDS_S: Final = 1.0
LOOK_EVERY_S: Final = 0.005


class Slots(Protocol):
    """How much a process does at the same time; `worker.settings` has what people set."""

    @property
    def slots(self) -> int: ...
    @property
    def light_slots(self) -> int: ...
    @property
    def cached_runs(self) -> int: ...
    @property
    def drain_s(self) -> float: ...


@dataclass(slots=True, eq=False)
class Serving:
    """Made and used on one event loop."""

    client: Client
    shop: Workshop
    pulse: Pulse
    identity: str
    settings: Slots
    on_fetch: Callable[[str], None]
    stopping: Callable[[], bool]
    ended: asyncio.Event
    """Set when a worker has ended by itself."""
    on_end: Callable[[str], None] = lambda _run: None
    """Told, on the loop, of runs whose end a step of ours has stored."""
    _ending: deque[str] = field(default_factory=lambda: deque[str](maxlen=100))
    """Runs whose drivers are told, or have been told, that they are over."""
    running: dict[Worker, asyncio.Task[None]] = field(default_factory=dict["Worker", "asyncio.Task[None]"])

    def serve_drivers(self) -> None:
        """Drivers of all runs of the project, their steps as far as we hold the code, and steps without a task."""
        drivers = driver_queue(self.shop.project)
        self._run(light_queue(drivers), self.settings.light_slots)
        self._run(
            drivers,
            self.settings.slots,
            workflows=[Driver, LongTask],
            workflow_runner=UNSANDBOXED,
            max_cached_workflows=self.settings.cached_runs,
            sticky_queue_schedule_to_start_timeout=STICKY,
        )

    def serve_schedules(self, starter: Starter) -> None:
        """Starts of what falls due."""
        activities = ScheduledActivities(starter).every
        queue = schedule_queue(self.shop.project)
        self._add(queue, self.settings.light_slots, activities, workflows=[Scheduled], workflow_runner=UNSANDBOXED)

    def serve_code(self, digest: str) -> None:
        """Tasks of runs that are pinned to this code, and plans that no other worker can make."""
        queue = code_queue(self.shop.project, digest)
        self._run(queue, self.settings.slots)
        self._run(plan_queue(queue), self.settings.light_slots)

    def _run(self, queue: str, slots: int, **more: Any) -> None:
        steps = StepActivity(self.shop, self.pulse, self.identity, self.stopping, self.on_fetch, self._note_run_end)
        self._add(queue, slots, [steps.step], **more)

    def _add(self, queue: str, slots: int, activities: list[Callable[..., Any]], **more: Any) -> None:
        worker = Worker(
            self.client,
            task_queue=queue,
            activities=activities,
            max_concurrent_activities=slots,
            identity=self.identity,
            build_id=f"smithers-{__version__}",  # the SDK's own default hashes every loaded module: 0.3 to 0.9 s
            graceful_shutdown_timeout=timedelta(seconds=self.settings.drain_s + LEEWAY_S),
            **more,
        )
        task = asyncio.create_task(worker.run())
        task.add_done_callback(self._note_end)
        self.running[worker] = task

    def _note_run_end(self, run_id: str) -> None:
        self._ending.append(run_id)
        self.on_end(run_id)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("a worker ended: %s", task.exception())
        self.ended.set()

    async def see_drivers_end(self) -> None:
        """Lets the drivers of runs that have just ended take note: without a worker they would stay open."""
        for run_id in set(self._ending):
            driver = self.client.get_workflow_handle(run_id)
            while (await driver.describe()).close_time is None:  # noqa: ASYNC110  the server tells no other way
                await asyncio.sleep(LOOK_EVERY_S)

    async def stop(self) -> None:
        """Polls no more; returns when every step has answered or was handed over."""
        with suppress(TimeoutError, RPCError):
            await asyncio.wait_for(self.see_drivers_end(), LAST_WORDS_S)
        await asyncio.gather(*(worker.shutdown() for worker in self.running), return_exceptions=True)
        await asyncio.gather(*self.running.values(), return_exceptions=True)
        self.running.clear()
