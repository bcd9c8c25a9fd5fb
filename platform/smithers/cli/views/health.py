"""Whether what runs need is there: one check per thing, each with what to do about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from smithers.cli.views.clocks import told_schedules
from smithers.cli.views.codes import code_of
from smithers.cli.views.parted import look_for_parted, reached
from smithers.cli.views.why import due_facts
from smithers.engine.entry import Json
from smithers.engine.state import PAUSED
from smithers.errors import RunNotFound, ServerError, SmithersError, StoreMissing
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run, Schedule
from smithers.store.successors import last_of
from smithers.temporal.server.places import Places
from smithers.views.children import seen_status
from smithers.views.times import ago, now_ms, span
from smithers.worker.listening import LocalWorker, local_workers

STUCK_MS: Final = 15_000
"""A worker acts upon a fact within milliseconds; twice the longest takeover is long enough to be sure."""


MOST_RUNS: Final = 50
"""That are looked at, one by one."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: str
    """ok, note (nothing is wrong, but a person may want to know), problem."""
    text: str
    advice: str = ""
    settings: Json | None = None
    """Of the check of the configuration: value and origin by path."""

    def wire(self) -> Json:
        about = {"name": self.name, "state": self.state, "text": self.text, "advice": self.advice or None}
        return about if self.settings is None else {**about, "settings": self.settings}


def checks(project: Project) -> list[Check]:
    """Looks only: starts nothing, makes nothing."""
    workers = local_workers(project)
    found = [
        folder(project),
        *guarded("configuration", lambda: configuration(project)),
        temporal_binary(project),
        temporal_server(project),
        at_work(workers),
    ]
    return [*found, *guarded("store", lambda: stored(project, workers))]


def guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    try:
        return look()
    except StoreMissing:
        return [Check(name, "note", "nothing has been run in this project yet")]
    except SmithersError as error:
        return [Check(name, "problem", error.message)]


def folder(project: Project) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("project", "ok", f"{project.name} in {project.root}, Python {version}")


def configuration(project: Project) -> list[Check]:
    """Every setting that is not a default, and where it comes from."""
    from smithers.worker.configuration import configured

    found = list(configured(project).settings())
    lines = [f"{path} = {json.dumps(value)} ({origin})" for path, value, origin in found if origin != "default"]
    text = "all defaults" if not lines else f"{len(lines)} of {len(found)} settings are not defaults"
    settings = {path: {"value": value, "origin": origin} for path, value, origin in found}
    return [Check("configuration", "ok", "\n".join([text, *lines]), settings=settings)]


def temporal_binary(project: Project) -> Check:
    if project.temporal_address:
        return Check("temporal binary", "ok", "not needed: TEMPORAL_ADDRESS names a server")
    from smithers.temporal.server.binary import at_hand

    try:
        path = at_hand()
    except ServerError as error:
        return Check("temporal binary", "problem", error.message)
    if path is None:
        text = "none is here; the first `smithers up` gets one (seconds to download, minutes to build)"
        return Check("temporal binary", "note", text, "To get it now: python -m smithers.temporal.server.binary")
    return Check("temporal binary", "ok", str(path))


def temporal_server(project: Project) -> Check:
    if project.temporal_address:
        return elsewhere(project)
    from smithers.temporal import local

    status = local.status(project)
    if status is None:
        return Check("temporal server", "note", "none runs for this project; commands start one when they need it")
    return running(project, status)


def running(project: Project, status: dict[str, Any]) -> Check:
    restarts = f", restarted {status['restarts']} times" if status.get("restarts") else ""
    text = (
        f"version {status.get('version')} at {status.get('address')}, process {status.get('server_pid')}, "
        f"{status.get('holders', 0)} holding it{restarts}"
    )
    match status.get("state"):
        case "ready":
            return Check("temporal server", "ok", text)
        case "failed":
            log = Places.of(project.state).server_log
            return Check("temporal server", "problem", f"it cannot be started: {text}", f"{log} says why.")
        case state:  # starting, or resting before it is started again
            return Check("temporal server", "note", f"{state}: {text}")


def elsewhere(project: Project) -> Check:
    """A server that is not ours: whether anything listens there."""
    import socket

    host, _, port = project.temporal_address.rpartition(":")
    try:
        socket.create_connection((host or "127.0.0.1", int(port)), timeout=3).close()
    except (OSError, ValueError) as error:
        text = f"nothing answers at {project.temporal_address} (TEMPORAL_ADDRESS): {error}"
        return Check("temporal server", "problem", text, "Look whether it runs, and whether the address is right.")
    return Check("temporal server", "ok", f"answers at {project.temporal_address} (TEMPORAL_ADDRESS)")


def at_work(workers: list[LocalWorker]) -> Check:
    if not workers:
        return Check("workers", "note", "none runs here", "`smithers start` keeps one; `smithers up` brings its own.")
    return Check("workers", "ok", f"{len(workers)} here: {', '.join(str(worker.pid) for worker in workers)}")


def stored(project: Project, workers: list[LocalWorker]) -> list[Check]:
    store = open_store(project, create=False)
    try:
        open_runs = store.due_runs()
        where = project.store_url.partition("@")[2] or project.store_url.partition("://")[2]
        newest = store.runs(limit=1)
        last = f", the newest from {ago(newest[0].created_ms, now_ms())}" if newest else ""
        text = f"{where.removeprefix('/') if where.startswith('//') else where}: {len(open_runs)} open runs{last}"
        found = [
            check
            for run in open_runs[:MOST_RUNS]
            for check in [*look_at(store, run, workers), *old_code(project, store, run)]
        ]
        if len(open_runs) > MOST_RUNS:
            found.append(Check("runs", "note", f"{len(open_runs) - MOST_RUNS} more open runs were not looked at"))
        parted = guarded("drivers", lambda: driven(project, store, workers))
        parted += guarded("schedules", lambda: scheduled(project, store, workers))
        told = {check.name for check in found}
        return [
            Check("store", "ok", text),
            *found,
            *[one for one in parted if one.state == "problem" or one.name not in told],
        ]
    finally:
        store.close()


def driven(project: Project, store: Store, workers: list[LocalWorker]) -> list[Check]:
    """Whether Temporal drives what is open, and nothing else. Only a server that is there is asked."""
    address = reached(project)
    if address is None:
        return []
    found: list[Check] = []
    for one in look_for_parted(project, store, address):
        # Without a worker nobody has looked yet: the next one to start drives what has no driver.
        waits = one.why == "undriven" and not workers
        advice = "`smithers start` drives it from its log." if waits else "smithers doctor --redrive"
        found.append(Check(f"run {one.run_id}", "note" if waits else "problem", one.text, advice))
    return found


def scheduled(project: Project, store: Store, workers: list[LocalWorker]) -> list[Check]:
    known = store.schedules()
    told = told_schedules(project, known, reached(project), served=bool(workers), last=last_runs(store, known))
    checks = [Check(f"schedule {name}", state, text, advice) for name, state, text, advice in told]
    if not known:
        return checks
    fine = {one.name for one in known} - {name for name, *_ in told}
    many = f"{len(known)} schedule{'s' if len(known) > 1 else ''}"
    return [Check("schedules", "ok", f"{many}, {len(fine)} of them as they should be"), *checks]


def last_runs(store: Store, schedules: Sequence[Schedule]) -> dict[str, Run]:
    """By name of the schedule; one that was deleted is not in it."""
    found: dict[str, Run] = {}
    for schedule in schedules:
        with suppress(RunNotFound):
            found |= {schedule.name: last_of(store, store.run(schedule.last_run))} if schedule.last_run else {}
    return found


def look_at(store: Store, run: Run, workers: list[LocalWorker]) -> list[Check]:
    """What keeps one open run from going on, as far as the store can tell."""
    name = f"run {run.run_id}"
    if run.status == "waiting-code":
        return [Check(name, "problem", "its workflow file does not render", f"smithers why {run.run_id}")]
    if run.status == PAUSED:
        return [Check(name, "note", "it is paused", f"smithers unpause {run.run_id}")]
    due = due_facts(store, run)
    waited_ms = now_ms() - due[-1].at_ms if due else 0
    if not workers and (due or seen_status(store, run) == "running"):
        return [Check(name, "note", "it could go on, but no worker runs here", f"smithers up --resume {run.run_id}")]
    if workers and due and waited_ms > STUCK_MS:
        text = f"something was stored {span(waited_ms)} ago ({due[-1].kind}), and nobody has acted upon it"
        return [Check(name, "problem", text, f"smithers doctor --redrive {run.run_id}")]
    return idle_tasks(store, run, name) if workers else []


def old_code(project: Project, store: Store, run: Run) -> list[Check]:
    """Runs that are pinned to other code than their file holds."""
    name, code = f"code of {run.run_id}", code_of(project, store, run)
    advice = f"`smithers follow {run.run_id}` moves it to the new code."
    if code.standing == "hosted" and not code.is_on_disk:
        found = [Check(name, "note", f"goes by the code {code.text}", advice)]
    elif code.standing == "kept":
        hosting = f"`smithers start` or `smithers up --resume {run.run_id} --pinned` hosts the old code; {advice}"
        found = [Check(name, "note", f"goes by the code {code.text}", hosting)]
    elif code.standing == "unknown" and not Path(run.source).exists():
        text = f"its workflow file {run.source} is gone, and its sources are not in the store"
        found = [Check(name, "problem", text, f"smithers up FILE --resume {run.run_id} --follow")]
    else:
        return []
    return [*found, *(Check(name, "note", line, "Its tasks may behave differently.") for line in code.changes)]


def idle_tasks(store: Store, run: Run, name: str) -> list[Check]:
    """Tasks that should have begun long ago: perhaps nobody has the run's code, perhaps its driver is lost."""
    now = now_ms()
    waited = now - run.updated_ms
    if waited < STUCK_MS or run.status != "running":
        return []
    ready = [row.command for row in store.open_commands(run.run_id) if row.command.kind in ("run", "child", "subflow")]
    begun = {(entry.data["node"], entry.data["attempt"]) for entry in store.entries_by_key(run.run_id, "claim:")}
    idle = [c for c in ready if (c.node, c.attempt) not in begun and c.due_ms < now - STUCK_MS]
    if not idle or len(idle) < len(ready):
        return []
    text = f"{idle[0].node} has been ready for {span(waited)}, and no worker has taken it (code {run.digest[:12]})"
    return [
        Check(name, "problem", text, f"smithers up --resume {run.run_id}, or smithers doctor --redrive {run.run_id}")
    ]
