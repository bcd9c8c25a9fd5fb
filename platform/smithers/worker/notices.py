"""Tells people, outside of the dashboard, of each question when it is asked, and of runs that have failed: once each,
whatever the rest of the run does.

A notice says `what` it is: `waiting`; `reminder`, with its number; `escalated`, with the users and scopes that may
decide from then on; `delegated`, with `by` and `to`; `failed`. Its `status` is the run's: `running` where other nodes
are at work meanwhile.

The command (`notices.command`, `SMITHERS_NOTICE_COMMAND`) is run by the shell with the notice as JSON on its input; the
URL (`notices.url`, `SMITHERS_NOTICE_URL`) gets it by POST. What was told is kept in `.smithers/notices`; after a crash
in between, a notice may come twice. What is answered before anybody was told of it is not told any more.

With `notices.events` (`SMITHERS_NOTICE_EVENTS`) they are also told of waits for events: most often a program sends
these, and nobody need hear of it.
"""

from __future__ import annotations

import json
import logging
import math
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.project import Project
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.approvals import pending
from smithers.views.signals import open_events

log = logging.getLogger(__name__)
LIMIT_S: Final = 10.0
FAILED_LOOKED_AT: Final = 20


@dataclass(slots=True, eq=False)
class Notices:
    project: Project
    store: Store
    command: str
    url: str
    events: bool = False
    _told: set[str] | None = None
    _looked: dict[str, int] = field(default_factory=dict[str, int])
    """By run: its head when there was nothing left to tell. Nothing new is asked before it moves."""

    @property
    def is_wanted(self) -> bool:
        return bool(self.command or self.url)

    def look(self, open_runs: Sequence[Run], limit_s: float = math.inf) -> None:
        """Tells what is new, and begins no notice after `limit_s`. Without a command or a URL this costs nothing."""
        if not self.is_wanted:
            return
        ends_s = time.monotonic() + limit_s
        for run in open_runs:
            if self._looked.get(run.run_id) != run.head and self.tell_all(self.of_run(run), ends_s):
                self._looked[run.run_id] = run.head
        for gone in self._looked.keys() - {run.run_id for run in open_runs}:
            del self._looked[gone]
        self.tell_all(self.failed(), ends_s)

    def tell_all(self, due: Iterable[tuple[str, Json]], ends_s: float) -> bool:
        """Whether people know of all of these now."""
        done = True
        for key, notice in due:
            if key in self.told():
                continue
            left_s = ends_s - time.monotonic()
            if left_s > 0 and self.tell(notice, min(LIMIT_S, left_s)):
                self.note(key)
            else:
                done = False
        return done

    def of_run(self, run: Run) -> Iterator[tuple[str, Json]]:
        for node in pending(self.store, run.run_id):
            yield from self.of_question(run, node)
        if self.events:
            yield from self.awaited(run)

    def failed(self) -> Iterator[tuple[str, Json]]:
        for run in self.store.runs(statuses=("failed",), limit=FAILED_LOOKED_AT):
            yield f"{run.run_id}:{run.epoch}:failed", notice_of("failed", run, {"error": run.error or {}})

    def awaited(self, run: Run) -> Iterator[tuple[str, Json]]:
        """Waits for events. `detail` says `event`, `correlation`, and the `schema` of the payload."""
        for node in open_events(self.store.asked(run.run_id)):
            about = {"node": node.node, "iteration": node.iteration, "detail": node.detail or {}}
            yield f"{run.run_id}:{node.node}:{node.iteration}:event", notice_of("waiting-event", run, about)

    def of_question(self, run: Run, node: NodeRow) -> Iterator[tuple[str, Json]]:
        """That it is asked, and what has happened since. Of the reminders only the last one: who has missed the others
        need not be told of them any more."""
        about = {"node": node.node, "iteration": node.iteration, "detail": node.detail or {}}
        ask = (node.detail or {}).get("ask", 1)
        place, again = f"{run.run_id}:{node.node}:{node.iteration}", f"#{ask}" if ask > 1 else ""
        yield f"{place}:waiting{again}", notice_of("waiting", run, about)
        course = said(self.store, run.run_id, node)
        for entry in course.reminders[-1:]:
            nth = entry.data["nth"]
            yield f"{place}:reminder{again}~{nth}", notice_of("reminder", run, {**about, "reminder": nth})
        if course.escalation is not None:
            users, scopes = course.later
            yield (
                f"{place}:escalated{again}",
                notice_of("escalated", run, {**about, "users": users, "scopes": scopes}),
            )
        for entry in course.delegations:
            words = {name: entry.data.get(name) for name in ("by", "to", "note")}
            yield f"{place}:delegated{again}@{entry.seq}", notice_of("delegated", run, {**about, **words})

    def told(self) -> set[str]:
        if self._told is None:
            try:
                self._told = set((self.project.state / "notices").read_text().splitlines())
            except OSError:
                self._told = set()
        return self._told

    def note(self, key: str) -> None:
        self.told().add(key)
        with (self.project.state / "notices").open("a") as file:
            file.write(f"{key}\n")

    def tell(self, notice: Json, limit_s: float = LIMIT_S) -> bool:
        """Whether it got there. What fails is tried again at the next look."""
        text = json.dumps(notice)
        try:
            if self.command:
                subprocess.run(self.command, shell=True, input=text, text=True, timeout=limit_s, check=True)  # noqa: S602  it is the user's own
            if self.url:
                headers = {"Content-Type": "application/json"}
                request = urllib.request.Request(self.url, text.encode(), headers)  # noqa: S310  so is this
                urllib.request.urlopen(request, timeout=limit_s).close()  # noqa: S310
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            log.warning("a notice was not delivered, trying again: %s", error)
            return False
        return True


def notice_of(what: str, run: Run, about: Json) -> Json:
    return {"what": what, "run": run.run_id, "workflow": run.workflow, "status": run.status, **about}
