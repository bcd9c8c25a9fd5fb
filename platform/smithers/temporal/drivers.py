"""What Temporal knows of a project's drivers: which are open, for which epoch, and how far each has come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smithers.temporal.order import RING, TASK, driver_queue

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

STEP_ID: Final = re.compile(r"step-(\d+)(?:-code)?")


@dataclass(frozen=True, slots=True)
class Driver:
    run_id: str
    epoch: int
    newest: int
    """The highest number of a command that it has taken up in its present Temporal run; 0 for none."""


async def open_drivers(client: Client, project: str) -> set[str]:
    """Ids of the runs that have one. Temporal's index lags behind by a moment."""
    query = f"ExecutionStatus='Running' AND TaskQueue='{driver_queue(project)}'"
    return {one.id async for one in client.list_workflows(query) if one.workflow_type != TASK}


async def driver(client: Client, run_id: str) -> Driver:
    """Reads its history. Raises temporalio's `RPCError` where it is gone."""
    epoch, newest = 0, 0
    async for event in client.get_workflow_handle(run_id).fetch_history_events():
        if event.HasField("workflow_execution_started_event_attributes"):
            given = event.workflow_execution_started_event_attributes.input.payloads
            values = await client.data_converter.decode(given)
            epoch = int(values[0].get("epoch", 0)) if values else 0
        newest = max(newest, number(event))
    return Driver(run_id, epoch, newest)


def number(event: HistoryEvent) -> int:
    """Of the command that the event takes up; 0 for other events."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        found = STEP_ID.fullmatch(event.activity_task_scheduled_event_attributes.activity_id)
        return int(found[1]) if found else 0
    if event.HasField("start_child_workflow_execution_initiated_event_attributes"):
        child = event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        last = child.rpartition(":")[2]
        return int(last) if last.isdigit() else 0
    return 0


async def ring_only(client: Client, run_id: str) -> None:
    """Wakes a driver that is there, and starts none. One that is gone is no error."""
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await client.get_workflow_handle(run_id).signal(RING)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


def refusals() -> tuple[type[Exception], ...]:
    """What the functions above raise where the server does not answer as it should."""
    from temporalio.service import RPCError

    return (RPCError,)
