"""What the `cron` commands do: the store has the schedules, Temporal the clock."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from smithers.cli.output import Form, Out
from smithers.engine.entry import Json
from smithers.errors import InputError, ScheduleExists, ScheduleNotFound
from smithers.project import Project, find_project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Schedule
from smithers.views.times import iso

if TYPE_CHECKING:
    from smithers.temporal.client import Client
    from smithers.temporal.schedules import Outlook

T = TypeVar("T")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True, slots=True)
class Desk:
    """A project's schedules."""

    project: Project
    store: Store
    out: Out

    def with_temporal(self, work: Callable[[Client, str], Awaitable[T]]) -> T:
        """Calls it with a client and the project's name; starts the local server where there is none, and has it stay
        while there are schedules."""
        import asyncio

        from smithers.temporal import local
        from smithers.temporal.client import connect
        from smithers.worker.scheduling import keep_for_schedules

        async def go(address: str) -> T:
            return await work(await connect(self.project, address), self.project.name)

        with local.ensure(self.project, say=self.out.note) as server:
            try:
                return asyncio.run(go(server.address))
            finally:
                keep_for_schedules(server, self.store.schedules())

    def change(self, schedule: Schedule) -> Schedule:
        """Stores it, then tells Temporal."""
        changed = self.store.write_schedule(schedule)
        self.hand_over(changed)
        return changed

    def hand_over(self, schedule: Schedule) -> None:
        from smithers.temporal import schedules

        self.with_temporal(lambda client, project: schedules.hand_over(client, project, schedule))

    def outlooks(self, every: list[Schedule]) -> dict[str, Outlook] | None:
        """By name; None where no server runs, which is not started for looking."""
        from smithers.temporal import local

        if not self.project.temporal_address and local.status(self.project) is None:
            return None
        from smithers.temporal import schedules

        async def work(client: Client, project: str) -> dict[str, Outlook]:
            return {one.name: await schedules.outlook(client, project, one.name) for one in every}

        return self.with_temporal(work)

    def is_served(self) -> bool:
        from smithers.temporal import schedules

        return self.with_temporal(schedules.is_served)


@contextmanager
def desk(form: Form, *, create: bool = False) -> Generator[Desk]:
    project = find_project()
    store = open_store(project, create=create)
    try:
        yield Desk(project, store, Out(form))
    finally:
        store.close()


def checked(name: str, when: Json, request: Json) -> Schedule:
    """What `up` would check is checked now: the file, the input, the tree. Returns the schedule as it is stored."""
    from smithers.worker import new_run
    from smithers.worker.scheduling import run_id_of

    asked = new_run.Request(request["file"], request["input"], "", request["options"], request["tags"])
    code, _ = new_run.checked(asked)
    name = name or code.workflow.name[:60]
    if not NAME.fullmatch(name) or name.endswith("."):
        raise InputError(
            f"{name!r} cannot name a schedule: use up to 60 letters, digits, dots, dashes and underscores, a letter or "
            "digit first. Its runs are named after it.",
            name=name,
        )
    new_run.check_run_id(run_id_of(name, 1))
    return Schedule(name, when, request | {"file": str(code.source), "workflow": code.workflow.name})


def add(here: Desk, schedule: Schedule, *, replaces: bool) -> tuple[Schedule, Outlook]:
    """Raises `ScheduleExists`, and `InputError` for times that never come. Nothing is left behind then."""
    from smithers.temporal import schedules

    before = known(here.store, schedule.name)
    if before is not None and not replaces:
        raise ScheduleExists(
            f"There is a schedule {schedule.name!r} already. --replace changes it, --name makes another one.",
            name=schedule.name,
        )
    made = here.store.write_schedule(schedule)
    here.project.keep_name()

    async def work(client: Client, project: str) -> Outlook:
        await schedules.hand_over(client, project, made)
        return await schedules.outlook(client, project, made.name)

    try:
        outlook = here.with_temporal(work)
        if not outlook.next_ms:
            raise InputError(f"{schedule.when['cron']!r} never comes: there is no such day. Nothing was scheduled.")
    except InputError:
        take_back(here, made, before)
        raise
    return made, outlook


def take_back(here: Desk, made: Schedule, before: Schedule | None) -> None:
    if before is None:
        remove(here, made.name)
    else:
        here.change(before)


def remove(here: Desk, name: str) -> None:
    from smithers.temporal import schedules

    here.store.delete_schedule(name)
    here.with_temporal(lambda client, project: schedules.remove(client, project, name))


def known(store: Store, name: str) -> Schedule | None:
    try:
        return store.schedule(name)
    except ScheduleNotFound:
        return None


def paused(here: Desk, name: str, note: str | None, *, is_paused: bool) -> Schedule:
    schedule = here.store.schedule(name)
    return here.change(replace(schedule, paused=is_paused, note=schedule.note if note is None else note))


def wire(schedule: Schedule, outlook: Outlook | None) -> Json:
    when, request = schedule.when, schedule.request
    found: Json = {
        "cronId": schedule.name,
        "pattern": when.get("cron"),
        "timezone": when.get("zone"),
        "everySeconds": when.get("every_s"),
        "overlap": when["overlap"],
        "catchUpSeconds": when["catch_up_s"],
        "workflow": request["workflow"],
        "workflowPath": request["file"],
        "input": request["input"],
        "tags": request["tags"],
        "enabled": not schedule.paused,
        "note": schedule.note or None,
        "createdAt": iso(schedule.created_ms),
        "lastRunAt": moment(schedule.last_ms),
        "lastRunId": schedule.last_run or None,
        "error": schedule.error,
        "nextRunAt": moment(next_ms(schedule, outlook)),
    }
    return found | ({"skipped": outlook.skipped, "missed": outlook.missed} if outlook is not None else {})


def next_ms(schedule: Schedule, outlook: Outlook | None) -> int:
    return 0 if outlook is None or schedule.paused or not outlook.next_ms else outlook.next_ms[0]


def moment(at_ms: int) -> Any:
    return iso(at_ms) if at_ms else None
