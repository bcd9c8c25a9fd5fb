"""Runs that Temporal does not drive as their logs say: the store was set back, or Temporal has lost its data.

Each has a reason:

    unknown    Temporal drives a run that the store does not have
    epoch      its driver is of a later epoch than the log
    ahead      its driver has taken up a command that the log does not have
    undriven   it is open, nothing has happened for a while, and there is no driver
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from smithers.errors import CommandNotFound, RunNotFound, ServerError
from smithers.project import Project
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.times import now_ms

if TYPE_CHECKING:
    from smithers.temporal.drivers import Driver

OLD_MS: Final = 15_000
MOST: Final = 50
"""Drivers whose histories are read."""
Why = Literal["unknown", "epoch", "ahead", "undriven"]


@dataclass(frozen=True, slots=True)
class Parted:
    run_id: str
    why: Why
    text: str


def reached(project: Project) -> str | None:
    """The address of a server that is there already; none is started."""
    if project.temporal_address:
        return project.temporal_address
    from smithers.temporal import local

    status = local.status(project)
    return status["address"] if status is not None and status.get("state") == "ready" else None


def look_for_parted(project: Project, store: Store, address: str) -> list[Parted]:
    """By run id. Raises `TemporalUnavailable`."""
    return asyncio.run(_look(project, store, address))


async def _look(project: Project, store: Store, address: str) -> list[Parted]:
    from smithers.temporal import drivers
    from smithers.temporal.client import connect

    client = await connect(project, address)
    found: list[Parted] = []
    try:
        driven = await drivers.open_drivers(client, project.name)
        # Read after the drivers: a run that has begun since has none of them.
        runs = {run.run_id: run for run in store.due_runs()}
        for run_id in sorted(driven)[:MOST]:
            run = runs.get(run_id) or known(store, run_id)
            if run is None:
                found.append(Parted(run_id, "unknown", "Temporal drives it, but the store does not have it"))
            elif run_id in runs:
                found += compared(store, run, await drivers.driver(client, run_id))
    except drivers.refusals() as error:
        raise ServerError(f"The Temporal server at {address} did not say what it drives: {error}.") from error
    return sorted([*found, *undriven(list(runs.values()), driven)], key=lambda one: one.run_id)


def known(store: Store, run_id: str) -> Run | None:
    try:
        return store.run(run_id)
    except RunNotFound:
        return None


def compared(store: Store, run: Run, driver: Driver) -> list[Parted]:
    if driver.epoch > run.epoch:
        text = f"its driver is of epoch {driver.epoch}, its log of epoch {run.epoch}: the store is older than that"
        return [Parted(run.run_id, "epoch", text)]
    if driver.epoch == run.epoch and driver.newest and not has_command(store, run.run_id, driver.newest):
        text = f"its driver has taken up command {driver.newest}, which its log does not have: the store is older"
        return [Parted(run.run_id, "ahead", text)]
    return []


def has_command(store: Store, run_id: str, n: int) -> bool:
    try:
        store.command(run_id, n)
    except CommandNotFound:
        return False
    return True


def undriven(runs: Sequence[Run], driven: set[str]) -> list[Parted]:
    text = "it is open, but Temporal does not drive it (has the server lost its data?)"
    lost = [run for run in runs if run.run_id not in driven and now_ms() - run.updated_ms > OLD_MS]
    return [Parted(run.run_id, "undriven", text) for run in lost]


def ring_unknown(project: Project, address: str, run_ids: Sequence[str]) -> None:
    from smithers.temporal import drivers
    from smithers.temporal.client import connect

    async def go() -> None:
        client = await connect(project, address)
        for run_id in run_ids:
            await drivers.ring_only(client, run_id)

    if run_ids:
        asyncio.run(go())
