"""Whether Temporal keeps the clock of every schedule that the store has, and of no other; and how it went last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from smithers.project import Project
from smithers.store.records import Run, Schedule


def told_schedules(
    project: Project, schedules: Sequence[Schedule], address: str | None, *, served: bool, last: Mapping[str, Run]
) -> list[tuple[str, str, str, str]]:
    """Name, state, text and advice of what a person may want to know. `served`: a worker is here, which hands over what
    Temporal lacks when it starts. `last` has the runs that they have started last, by name of the schedule."""
    kept = asyncio.run(_handed_over(project, address)) if address is not None else None
    found = [(one.name, *line) for one in schedules for line in told(one, kept, last.get(one.name), served=served)]
    names = {one.name for one in schedules}
    # On a server that projects share, the name of another one may begin like ours.
    strangers = sorted(set(kept or ()) - names) if not project.temporal_address else []
    text = "Temporal starts it, but the store does not have it: was the store set back? Nothing is started"
    advice = "To be rid of it, add one of this name again, then: smithers cron rm {name}"
    found += [(name, "problem", text, advice.format(name=name)) for name in strangers]
    return found


def told(
    schedule: Schedule, kept: dict[str, bool] | None, last: Run | None, *, served: bool
) -> Iterator[tuple[str, str, str]]:
    """State, text and advice: of its clock, and of how it went when it last fell due."""
    name = schedule.name
    if kept is not None and name not in kept:
        yield "problem" if served else "note", "Temporal does not have it", "`smithers start` hands it over."
    elif schedule.paused:
        yield "note", f"paused{f': {schedule.note}' if schedule.note else ''}", f"smithers cron unpause {name}"
    elif kept is not None and kept[name]:
        yield "problem", "it is paused in Temporal, but not here", f"smithers cron unpause {name}"
    if schedule.error is not None:
        yield "problem", f"its last start failed: {schedule.error.get('message', '')}", f"smithers cron show {name}"
    elif last is not None and last.status == "failed":
        why = (last.error or {}).get("message", "no reason was stored")
        yield "note", f"its last run {last.run_id} failed: {why}", f"smithers why {last.run_id}"


async def _handed_over(project: Project, address: str) -> dict[str, bool]:
    from smithers.temporal import schedules
    from smithers.temporal.client import connect

    return await schedules.handed_over(await connect(project, address), project.name)
