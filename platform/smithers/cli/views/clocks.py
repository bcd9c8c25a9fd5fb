"""Whether Temporal keeps the clock of every schedule that the store has, and of no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from smithers.project import Project
from smithers.store.records import Schedule


def told_schedules(
    project: Project, schedules: Sequence[Schedule], address: str | None, *, served: bool
) -> list[tuple[str, str, str, str]]:
    """Name, state, text and advice of each that a person may want to know of. `served`: a worker is here, which hands
    over what Temporal lacks when it starts."""
    kept = asyncio.run(_handed_over(project, address)) if address is not None else None
    found = [(one.name, *told(one, kept, served=served)) for one in schedules]
    names = {one.name for one in schedules}
    # On a server that projects share, the name of another one may begin like ours.
    strangers = sorted(set(kept or ()) - names) if not project.temporal_address else []
    text = "Temporal starts it, but the store does not have it: was the store set back? Nothing is started"
    advice = "To be rid of it, add one of this name again, then: smithers cron rm {name}"
    found += [(name, "problem", text, advice.format(name=name)) for name in strangers]
    return [one for one in found if one[1]]


def told(schedule: Schedule, kept: dict[str, bool] | None, *, served: bool) -> tuple[str, str, str]:
    name = schedule.name
    if kept is not None and name not in kept:
        return ("problem" if served else "note", "Temporal does not have it", "`smithers start` hands it over.")
    if schedule.error is not None:
        return "problem", f"its last start failed: {schedule.error.get('message', '')}", f"smithers cron show {name}"
    if schedule.paused:
        return "note", f"paused{f': {schedule.note}' if schedule.note else ''}", f"smithers cron unpause {name}"
    if kept is not None and kept[name]:
        return "problem", "it is paused in Temporal, but not here", f"smithers cron unpause {name}"
    return "", "", ""


async def _handed_over(project: Project, address: str) -> dict[str, bool]:
    from smithers.temporal import schedules
    from smithers.temporal.client import connect

    return await schedules.handed_over(await connect(project, address), project.name)
