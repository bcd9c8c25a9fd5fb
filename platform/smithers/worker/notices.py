"""Tells people, outside of the dashboard, that a run waits for them or has failed: once for each time.

A notice says `what` it is: `waiting`; `reminder`, with its number; `escalated`, with the users and scopes that may
decide from then on; `delegated`, with `by` and `to`; `failed`.

The command (`notices.command`, `SMITHERS_NOTICE_COMMAND`) is run by the shell with the notice as JSON on its input; the
URL (`notices.url`, `SMITHERS_NOTICE_URL`) gets it by POST. What was told is kept in `.smithers/notices`; after a crash
in between, a notice may come twice.

With `notices.events` (`SMITHERS_NOTICE_EVENTS`) they are also told that a run waits for an event: most often a program
sends that, and nobody need hear of it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.engine.state import ASKED
from smithers.project import Project
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import Run

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

    def look(self, open_runs: Sequence[Run]) -> None:
        """Tells what is new. Without a command or a URL this costs nothing."""
        if not (self.command or self.url):
            return
        for key, notice in self.due(open_runs):
            if key not in self.told() and self.tell(notice):
                self.note(key)

    def due(self, open_runs: Sequence[Run]) -> Iterator[tuple[str, Json]]:
        for run in open_runs:
            if run.status.startswith("waiting-approval"):
                for node in self.store.nodes(run.run_id):
                    if node.state == "waiting-approval":
                        yield from self.of_question(run, node)
            if self.events and run.status in ASKED:
                yield from self.awaited(run)
        for run in self.store.runs(statuses=("failed",), limit=FAILED_LOOKED_AT):
            yield f"{run.run_id}:{run.epoch}:failed", notice_of("failed", run, {"error": run.error or {}})

    def awaited(self, run: Run) -> Iterator[tuple[str, Json]]:
        """Waits for events. `detail` says `event`, `correlation`, and the `schema` of the payload."""
        for node in self.store.nodes(run.run_id):
            if node.state == "waiting-event":
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

    def tell(self, notice: Json) -> bool:
        """Whether it got there. What fails is tried again at the next look."""
        text = json.dumps(notice)
        try:
            if self.command:
                subprocess.run(self.command, shell=True, input=text, text=True, timeout=LIMIT_S, check=True)  # noqa: S602  it is the user's own
            if self.url:
                headers = {"Content-Type": "application/json"}
                request = urllib.request.Request(self.url, text.encode(), headers)  # noqa: S310  so is this
                urllib.request.urlopen(request, timeout=LIMIT_S).close()  # noqa: S310
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            log.warning("a notice was not delivered, trying again: %s", error)
            return False
        return True


def notice_of(what: str, run: Run, about: Json) -> Json:
    return {"what": what, "run": run.run_id, "workflow": run.workflow, "status": run.status, **about}
