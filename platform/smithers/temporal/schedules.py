"""Schedules as Temporal has them: made from what the store says, so that a server without its data gets them again."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from smithers.engine.entry import Json
from smithers.errors import InputError, TemporalUnavailable
from smithers.store import records
from smithers.temporal.order import driver_queue
from smithers.temporal.scheduled import SCHEDULED, schedule_queue

OVERLAPS: Final = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer-one": ScheduleOverlapPolicy.BUFFER_ONE,
    "buffer-all": ScheduleOverlapPolicy.BUFFER_ALL,
    "cancel-other": ScheduleOverlapPolicy.CANCEL_OTHER,
    "allow-all": ScheduleOverlapPolicy.ALLOW_ALL,
}

POLL_S: Final = 75.0
"""A worker asks again after a minute without work."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What Temporal knows of a schedule."""

    next_ms: tuple[int, ...] = ()
    skipped: int = 0
    """Times left out because the run before was open."""
    missed: int = 0
    """Times that were longer ago than the catch-up window when anybody could start them."""


def temporal_id(project: str, name: str) -> str:
    return f"smithers-{project}-{name}"


def as_temporal(project: str, schedule: records.Schedule) -> Schedule:
    when = schedule.when
    order: Json = {"schedule": schedule.name, "revision": schedule.revision, "drivers": driver_queue(project)}
    if "every_s" in when:
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(seconds=when["every_s"]))])
    else:
        spec = ScheduleSpec(cron_expressions=[when["cron"]], time_zone_name=when["zone"])
    workflow_id = f"scheduled-{project}-{schedule.name}"
    return Schedule(
        ScheduleActionStartWorkflow(SCHEDULED, order, id=workflow_id, task_queue=schedule_queue(project)),
        spec,
        SchedulePolicy(OVERLAPS[when["overlap"]], timedelta(seconds=when["catch_up_s"])),
        ScheduleState(note=schedule.note or None, paused=schedule.paused),
    )


async def hand_over(client: Client, project: str, schedule: records.Schedule) -> None:
    """Makes Temporal's schedule what ours is. Raises `InputError` for one that the server does not take."""
    wanted = as_temporal(project, schedule)
    try:
        try:
            await client.create_schedule(temporal_id(project, schedule.name), wanted)
        except ScheduleAlreadyRunningError:
            handle = client.get_schedule_handle(temporal_id(project, schedule.name))
            if await revision(client, await handle.describe()) != schedule.revision:
                await handle.update(replaced_by(wanted))
    except RPCError as error:
        raise refusal(error) from error


def replaced_by(wanted: Schedule) -> Any:
    def update(_known: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(wanted)

    return update


async def revision(client: Client, known: ScheduleDescription) -> int:
    action = known.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return 0
    values = await client.data_converter.decode(action.args)
    return int(values[0].get("revision", 0)) if values else 0


async def remove(client: Client, project: str, name: str) -> None:
    with missing_is_fine():
        await handle_of(client, project, name).delete()


async def outlook(client: Client, project: str, name: str) -> Outlook:
    """Empty for a schedule that Temporal does not have."""
    with missing_is_fine():
        info = (await handle_of(client, project, name).describe()).info
        times = tuple(round(one.timestamp() * 1000) for one in info.next_action_times)
        return Outlook(times, info.num_actions_skipped_overlap, info.num_actions_missed_catchup_window)
    return Outlook()


async def handed_over(client: Client, project: str) -> dict[str, bool]:
    """Names of the schedules that Temporal has, and whether it has them paused. Its list lags behind by a moment."""
    begins = temporal_id(project, "")
    found: dict[str, bool] = {}
    try:
        async for one in await client.list_schedules():
            if one.id.startswith(begins):
                found[one.id.removeprefix(begins)] = one.schedule is not None and one.schedule.state.paused
    except RPCError as error:
        raise refusal(error) from error
    return found


async def trigger(client: Client, project: str, name: str, overlap: str = "") -> None:
    with missing_is_fine():
        await handle_of(client, project, name).trigger(overlap=OVERLAPS.get(overlap))


async def backfill(client: Client, project: str, name: str, span_ms: tuple[int, int], overlap: str) -> None:
    """Starts for every time in the span that is over; both ends belong to it."""
    begin, end = (datetime.fromtimestamp(at / 1000, UTC) for at in span_ms)
    with missing_is_fine():
        await handle_of(client, project, name).backfill(ScheduleBackfill(begin, end, OVERLAPS[overlap]))


def handle_of(client: Client, project: str, name: str) -> ScheduleHandle:
    return client.get_schedule_handle(temporal_id(project, name))


@contextmanager
def missing_is_fine() -> Generator[None]:
    try:
        yield
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise refusal(error) from error


async def is_served(client: Client, project: str) -> bool:
    """Whether a worker that starts what falls due has asked for work within the last minute or so."""
    queue, kind = TaskQueue(name=schedule_queue(project)), TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
    with missing_is_fine():
        found = await client.workflow_service.describe_task_queue(request)
        return any(time.time() - one.last_access_time.ToSeconds() < POLL_S for one in found.pollers)
    return False


def refusal(error: RPCError) -> InputError | TemporalUnavailable:
    if error.status == RPCStatusCode.INVALID_ARGUMENT:
        return InputError(f"Temporal does not take this schedule: {error.message}.")
    return TemporalUnavailable(f"Temporal could not take the schedule: {error.message}. It is stored; try again.")
