"""What a Temporal Schedule starts: a workflow that has a run made for the scheduled time, and stays until that is over.

It stays so that Temporal knows whether the run before is still open, which is what overlap policies are about. The run
is driven by a child workflow, as it would be after a ring: the driver, under the run's id. So its end is heard at once,
and a cancel of this workflow (by the policy `cancel-other`) reaches the run as one of its own. Where somebody else has
started the driver, or has ended it, this one looks into the store from time to time.

Once for each time: the run's id is made of the schedule's name and the scheduled time, and the store takes an id once.
A workflow that Temporal starts twice, a backfill over times that have been, an activity that runs again: all find the
run that is there. What keeps a run from being made (the file is gone, the input does not fit any more) is kept with the
schedule, and fails this workflow; what may pass (the store is away) is tried again.

The author's file is loaded in a thread of a worker that serves schedules (`smithers start`), never in a workflow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy, SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from smithers.engine.entry import Json
from smithers.errors import SmithersError
from smithers.temporal.driver import TASK_TIMEOUT
from smithers.temporal.order import driver_queue

SCHEDULED: Final = "smithers.scheduled"
START, OVER = "smithers.start-scheduled", "smithers.scheduled-over"
DUE: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
START_LIMIT: Final = timedelta(minutes=5)
LOOK_LIMIT: Final = timedelta(seconds=30)
RETRY: Final = RetryPolicy(initial_interval=timedelta(milliseconds=250), maximum_interval=timedelta(minutes=1))
LOOK_S: Final = (0.5, 900.0)
MOST_LOOKS: Final = 2000


def schedule_queue(project: str) -> str:
    """Served by the workers that start what falls due."""
    return f"{driver_queue(project)}-schedules"


class Starter(Protocol):
    """Makes runs for schedules. Blocking; called from threads."""

    def start(self, name: str, at_ms: int) -> Json:
        """`{run, workflow, epoch, priority}` of the run for that time; empty if the schedule is gone. May be called
        again."""
        ...

    def is_over(self, run_id: str) -> bool: ...


@workflow.defn(name=SCHEDULED, sandboxed=False)
class Scheduled:
    @workflow.run
    async def run(self, order: Json) -> Json:
        info = workflow.info()
        due = info.typed_search_attributes.get(DUE) or info.start_time
        wire: Json = {"schedule": order["schedule"], "at_ms": round(due.timestamp() * 1000)}
        made: Json = await workflow.execute_activity(
            START, wire, result_type=dict[str, Any], start_to_close_timeout=START_LIMIT, retry_policy=RETRY
        )
        if made:
            await drive(made, order["drivers"])
            await until_over(made["run"])
        return made


async def drive(made: Json, queue: str) -> None:
    """Starts the run's driver and waits for it; returns at once where another one has been started."""
    try:
        await workflow.execute_child_workflow(
            made["workflow"],
            {"run": made["run"], "epoch": made["epoch"]},
            id=made["run"],
            task_queue=queue,
            task_timeout=TASK_TIMEOUT,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            priority=Priority(**made.get("priority", {})),
        )
    except (WorkflowAlreadyStartedError, ChildWorkflowError):
        return  # how the run has ended is in the store


async def until_over(run: str) -> None:
    pause_s, longest_s = LOOK_S
    for _ in range(MOST_LOOKS):
        over: bool = await workflow.execute_activity(
            OVER, run, result_type=bool, start_to_close_timeout=LOOK_LIMIT, retry_policy=RETRY
        )
        if over:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, longest_s)


@dataclass(frozen=True, slots=True, eq=False)
class ScheduledActivities:
    starter: Starter

    @property
    def every(self) -> list[Callable[..., Any]]:
        return [self.start, self.is_over]

    @activity.defn(name=START)
    async def start(self, wire: Any) -> Any:
        try:
            return await asyncio.to_thread(self.starter.start, wire["schedule"], wire["at_ms"])
        except SmithersError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=not error.retryable) from None

    @activity.defn(name=OVER)
    async def is_over(self, run: str) -> bool:
        return await asyncio.to_thread(self.starter.is_over, run)
