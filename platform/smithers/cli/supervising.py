"""One look at all open runs: what is stuck is rung, as the sweeper of a worker would, and why it is stuck is said."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smithers.cli.views.stuck import Finding, look_at
from smithers.engine.entry import Json
from smithers.errors import ServerError
from smithers.project import Project
from smithers.store.interface import Store
from smithers.worker.listening import local_workers
from smithers.worker.ringing import wake


@dataclass(frozen=True, slots=True)
class Limits:
    old_ms: int
    """Trouble younger than this is left alone."""
    most: int
    """Runs that are rung in one look."""
    rings: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    findings: tuple[Finding, ...]
    workers: int
    asked: bool
    """Whether Temporal could be asked which runs have a driver."""

    def wire(self, *, everything: bool) -> Json:
        shown = [one.wire() for one in self.findings if everything or one.needs_help]
        counts: Json = {"open": len(self.findings), "stuck": sum(one.needs_help for one in self.findings)}
        return counts | {"workers": self.workers, "temporalAsked": self.asked, "runs": shown}


def look(project: Project, store: Store, limits: Limits) -> Look:
    """Those that have waited longest come first; of them `limits.most` are rung, the rest at a later look."""
    workers = len(local_workers(project))
    driven = driven_runs(project)
    runs = sorted(store.due_runs(), key=lambda run: run.updated_ms)
    found = [look_at(store, run, driven, has_worker=workers > 0, old_ms=limits.old_ms) for run in runs]
    return Look(tuple(helped(project, found, limits)), workers, driven is not None)


def helped(project: Project, found: list[Finding], limits: Limits) -> list[Finding]:
    left, told = limits.most, list[Finding]()
    for one in found:
        if not one.stuck or one.skipped or not limits.rings:
            told.append(one)
        elif left == 0:
            told.append(replace(one, skipped="rate-limited"))
        else:
            left -= 1
            rung = wake(project, one.run.run_id)
            told.append(replace(one, rung=rung, skipped="" if rung else "no-worker"))
    return told


def driven_runs(project: Project) -> set[str] | None:
    """Runs with an open driver; None where no server is at hand. None is started."""
    from smithers.temporal import local

    known = None if project.temporal_address else local.status(project)
    if known is not None and known.get("state") != "ready":
        return None
    address = project.temporal_address or str((known or {}).get("address") or "")
    if not address:
        return None
    import asyncio

    try:
        return asyncio.run(asked(project, address))
    except (ServerError, OSError):
        return None


async def asked(project: Project, address: str) -> set[str]:
    from smithers.temporal.client import connect
    from smithers.temporal.drivers import open_drivers

    return await open_drivers(await connect(project, address), project.name)
