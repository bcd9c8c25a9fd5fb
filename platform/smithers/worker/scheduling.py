"""Starts runs for schedules: what `temporal/scheduled.py` calls in a worker that serves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from smithers.engine.entry import Json
from smithers.engine.state import FINAL
from smithers.errors import RunExists, ScheduleNotFound, SmithersError, WrongState
from smithers.project import Project
from smithers.store.successors import last_of
from smithers.temporal.priorities import priority_of
from smithers.worker.new_run import Request, checked, create, with_defaults

if TYPE_CHECKING:
    from smithers.store.interface import Store
    from smithers.store.records import Run, Schedule
    from smithers.worker.code import LoadedCode

FOR_EVER_S: Final = 100 * 366 * 86_400.0
TAG: Final = "schedule"
"""Every run that a schedule has started is tagged with its name."""


class KeepsServer(Protocol):
    def keep_until(self, at: float, reason: str = "") -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Scheduler:
    project: Project
    store: Store
    hold: Callable[[LoadedCode], None]
    """Has this worker serve the code from now on."""

    def start(self, name: str, at_ms: int) -> Json:
        """See `Starter`. What keeps it from starting is kept with the schedule, and raised."""
        try:
            schedule = self.store.schedule(name)
        except ScheduleNotFound:
            return {}
        try:
            run = self.run_for(schedule, at_ms)
        except SmithersError as error:
            self.store.note_start(name, at_ms, "", error.wire())
            raise
        self.store.note_start(name, at_ms, run.run_id, None)
        now = last_of(self.store, run)
        if now.status in FINAL:
            return {}
        about: Json = {"run": now.run_id, "workflow": now.workflow, "epoch": now.epoch}
        return about | {"priority": priority_of(now)}

    def run_for(self, schedule: Schedule, at_ms: int) -> Run:
        """The run of that time, made now or before. Raises what `up` would."""
        request = request_of(schedule, run_id_of(schedule.name, at_ms))
        request = replace(request, options=with_defaults(self.project, request.options))
        code, input = checked(request)
        self.hold(code)
        try:
            return create(self.store, request, code, input)
        except RunExists:
            run = self.store.run(request.run_id)
        if run.tags.get(TAG) != schedule.name:
            raise WrongState(
                f"The run {run.run_id!r}, which schedule {schedule.name!r} would start, is there and is not the "
                "schedule's: somebody has given another run this id.",
                run_id=run.run_id,
            )
        return run

    def is_over(self, run_id: str) -> bool:
        """Whether the run is, and those that go on for it."""
        return last_of(self.store, self.store.run(run_id)).status in FINAL


def keep_for_schedules(server: KeepsServer, schedules: Sequence[Schedule]) -> None:
    """Has the local server stay as long as there is a schedule that is not paused."""
    wanted = any(not schedule.paused for schedule in schedules)
    server.keep_until(time.time() + FOR_EVER_S if wanted else 0.0, reason="schedules")


def request_of(schedule: Schedule, run_id: str = "") -> Request:
    asked = schedule.request
    tags = {**asked.get("tags", {}), TAG: schedule.name}
    return Request(asked["file"], asked["input"], run_id, asked["options"], tags, workflow=asked["workflow"])


def run_id_of(name: str, at_ms: int) -> str:
    """The schedule's name and the time in UTC, `nightly-20260301T030000Z`; with milliseconds where there are any."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    part = f"{at_ms % 1000:03d}" if at_ms % 1000 else ""
    return f"{name}-{at:%Y%m%dT%H%M%S}{part}Z"
