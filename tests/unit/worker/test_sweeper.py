"""The sweeper rings what nobody drives, and leaves alone what is being worked on."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, WaitForEvent, call, workflow
from smithers.engine.answer import Answer
from smithers.engine.command import ESCALATION
from smithers.engine.entry import Fact
from smithers.project import Project
from smithers.store.deciding import delegate
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, NewRun
from smithers.worker import copies, notices
from smithers.worker.configuration import configured
from smithers.worker.sweeper import Sweeper
from tests.unit.store.ending import end
from tests.unit.temporal.conftest import Yard


class Out(BaseModel):
    n: int


def work() -> Out:
    return Out(n=1)


@workflow
def asks(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Task("a", output=Out)[call(work)], Approval("ok", title="Fine?")]


class Temporal:
    """Knows these drivers."""

    def __init__(self, *driven: str) -> None:
        self.driven = driven

    def list_workflows(self, query: str) -> AsyncIterator[Any]:
        async def found() -> AsyncIterator[Any]:
            for run in self.driven:
                yield SimpleNamespace(id=run, workflow_type="asks")

        return found()


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A store whose clock is a minute behind: everything in it is old."""
    return Yard(MemoryStore(now_ms=lambda: time.time_ns() // 1_000_000 - 60_000), tmp_path)


def swept(yard: Yard, *driven: str, times: int = 1) -> list[str]:
    rung: list[str] = []

    async def ring(run: str) -> None:
        rung.append(run)

    async def go() -> None:
        project = Project(yard.folder)
        sweeper = Sweeper(project, yard.store, Temporal(*driven), ring, lambda _runs: None)  # type: ignore[arg-type]
        for _ in range(times):
            await sweeper.sweep()
        await sweeper.stop()

    asyncio.run(go())
    return rung


@pytest.mark.feature("inbox.stale.detect")
def test_a_run_without_a_driver_is_rung(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    assert swept(yard) == ["r"]


@pytest.mark.feature("inbox.stale.detect")
def test_a_run_that_waits_for_a_person_is_left_alone(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    assert swept(yard, "r") == []


def test_a_fact_that_nobody_planned_is_rung(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    yard.decide("ok", approved=True)
    assert swept(yard, "r") == ["r"]


@pytest.mark.feature("inbox.stale.detect")
def test_a_command_that_nobody_began_is_rung(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    assert swept(yard, "r") == ["r"]


def test_a_run_whose_driver_has_not_noticed_its_end_is_rung(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    yard.decide("ok", approved=True)
    yard.fetch()
    assert yard.status() == "finished"
    assert swept(yard, "r") == ["r"]
    assert swept(yard) == []


def test_a_run_that_waits_for_code_is_not_rung(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    data = {"covers": 1, "digest": "d" * 64, "error": {}}
    yard.store.append(Append("r", (Fact("render_failed", "render_failed:1:d", data),)))
    assert swept(yard, "r") == []


def test_a_ring_that_changes_nothing_is_not_repeated_at_once(yard: Yard) -> None:
    yard.start(asks)
    yard.fetch()
    assert swept(yard, "r", times=3) == ["r"]


def test_one_process_sweeps(yard: Yard) -> None:
    project = Project(yard.folder)
    sweepers = [Sweeper(project, yard.store, Temporal(), print, print) for _ in range(2)]  # type: ignore[arg-type]
    assert [sweeper.is_ours() for sweeper in sweepers] == [True, False]
    asyncio.run(sweepers[0].stop())
    assert sweepers[1].is_ours()
    asyncio.run(sweepers[1].stop())


def teller(yard: Yard) -> notices.Notices:
    """As the environment says."""
    found = configured(Project(yard.folder)).values.notices
    return notices.Notices(Project(yard.folder), yard.store, found.command, found.url, found.events)


def test_people_are_told_once(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    told = yard.folder / "told"
    monkeypatch.setenv("SMITHERS_NOTICE_COMMAND", f"cat >> {told}; echo >> {told}")
    (yard.folder / ".smithers").mkdir()
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    for _ in range(2):
        teller(yard).look(yard.store.due_runs())
    lines = told.read_text().split("\n")
    assert len([line for line in lines if line]) == 1
    assert '"node": "ok"' in lines[0]


@pytest.fixture
def told(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which notices go, a line each."""
    path = yard.folder / "told"
    monkeypatch.setenv("SMITHERS_NOTICE_COMMAND", f"cat >> {path}; echo >> {path}")
    (yard.folder / ".smithers").mkdir()
    return path


def lines_of(told: Path) -> list[Any]:
    return [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []


@workflow
def asks_beside(ctx: Context[Any]) -> Child:
    return Parallel[
        Sequence[Task("a", output=Out)[call(work)], Approval("second", title="Fine?")],
        Approval("first", title="Now?"),
        WaitForEvent("deploy", event="deployed", output=Out),
    ]


def test_people_hear_of_each_question_when_it_is_asked_whatever_else_the_run_does(
    yard: Yard, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMITHERS_NOTICE_EVENTS", "true")
    yard.start(asks_beside)
    yard.fetch()
    tells = teller(yard)
    tells.look(yard.store.due_runs())

    assert [(one["what"], one["node"], one["status"]) for one in lines_of(told)] == [
        ("waiting", "first", "running"),
        ("waiting-event", "deploy", "running"),
    ]
    yard.step(1)
    for who in (tells, tells, teller(yard)):
        who.look(yard.store.due_runs())
    assert [one["node"] for one in lines_of(told)][2:] == ["second"], "once, whoever tells"


def test_people_hear_of_a_question_in_a_run_that_was_paused_meanwhile(yard: Yard, told: Path) -> None:
    yard.start(asks_beside)
    yard.fetch()
    yard.store.append(Append("r", (Fact("paused", "paused:1", {}),)))

    teller(yard).look(yard.store.due_runs())

    assert [(one["node"], one["status"]) for one in lines_of(told)] == [("first", "paused")]


def test_nobody_hears_of_a_question_that_was_answered_before(yard: Yard, told: Path) -> None:
    yard.start(asks_beside)
    yard.fetch()
    yard.decide("first", approved=True)

    teller(yard).look(yard.store.due_runs())

    assert lines_of(told) == []


def test_a_run_in_which_nothing_has_happened_is_not_read_again(
    yard: Yard, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.start(asks_beside)
    yard.fetch()
    tells = teller(yard)
    tells.look(yard.store.due_runs())
    read: list[str] = []
    asked = type(yard.store).asked
    monkeypatch.setattr(type(yard.store), "asked", lambda store, run: [read.append(run), *asked(store, run)][1:])

    tells.look(yard.store.due_runs())
    assert read == []
    yard.step(1)
    tells.look(yard.store.due_runs())

    assert read == ["r"]


def test_a_worker_that_ends_tells_what_is_new(yard: Yard, told: Path) -> None:
    yard.start(asks_beside)
    yard.fetch()

    async def begin_and_end() -> None:
        sweeper = Sweeper(Project(yard.folder), yard.store, Temporal(), print, print)  # type: ignore[arg-type]
        sweeper.start()
        await sweeper.stop()

    for _ in range(2):
        asyncio.run(begin_and_end())

    assert [one["node"] for one in lines_of(told)] == ["first"]


def test_a_worker_that_ends_leaves_the_telling_to_another_one(yard: Yard, told: Path) -> None:
    yard.start(asks_beside)
    yard.fetch()
    sweepers = [Sweeper(Project(yard.folder), yard.store, Temporal(), print, print) for _ in range(2)]  # type: ignore[arg-type]
    assert sweepers[0].is_ours()

    asyncio.run(sweepers[1].stop())
    assert lines_of(told) == []
    asyncio.run(sweepers[0].stop())
    assert [one["node"] for one in lines_of(told)] == ["first"]


def test_a_notice_that_takes_too_long_is_left_to_the_next_look(yard: Yard, told: Path) -> None:
    yard.start(asks_beside)
    yard.fetch()
    tells = teller(yard)

    tells.look(yard.store.due_runs(), limit_s=0)
    assert lines_of(told) == []
    tells.look(yard.store.due_runs())

    assert [one["node"] for one in lines_of(told)] == ["first"]


@workflow
def listens(ctx: Context[Any]) -> Child:
    return WaitForEvent("deploy", event="deployed", correlation_id="pr-7", output=Out)


@pytest.mark.parametrize("asked", [None, "false", "true"])
def test_people_are_told_of_waits_for_events_where_the_project_says_so(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    told = yard.folder / "told"
    monkeypatch.setenv("SMITHERS_NOTICE_COMMAND", f"cat >> {told}; echo >> {told}")
    if asked is not None:
        monkeypatch.setenv("SMITHERS_NOTICE_EVENTS", asked)
    (yard.folder / ".smithers").mkdir()
    yard.start(listens)
    yard.fetch()
    for _ in range(2):
        teller(yard).look(yard.store.due_runs())

    lines = [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []
    assert [(one["what"], one["node"]) for one in lines] == ([("waiting-event", "deploy")] if asked == "true" else [])
    assert all((one["detail"]["event"], one["detail"]["correlation"]) == ("deployed", "pr-7") for one in lines)


def test_the_sweeper_tells_of_what_the_project_wants_told(yard: Yard) -> None:
    (yard.folder / "smithers.toml").write_text("[notices]\nevents = true\ncommand = 'true'")
    sweeper = Sweeper(Project(yard.folder), yard.store, Temporal(), print, print)  # type: ignore[arg-type]

    assert (sweeper.notices.command, sweeper.notices.events) == ("true", True)


@workflow
def urges(ctx: Context[dict[str, int]]) -> Child:
    later: Any = {"remind_after": "1h", "reminders": 2, "escalate_after": "2h", "escalate_to": ["boss"]}
    return Approval("ok", title="Fine?", allowed_users=["ann"], **later)


def test_people_are_told_of_reminders_escalations_and_delegations_once_each(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = yard.folder / "told"
    monkeypatch.setenv("SMITHERS_NOTICE_COMMAND", f"cat >> {told}; echo >> {told}")
    (yard.folder / ".smithers").mkdir()
    yard.start(urges)
    yard.fetch()

    def look() -> list[Any]:
        told.write_text("")
        for _ in range(2):
            teller(yard).look(yard.store.due_runs())
        return [json.loads(line) for line in told.read_text().splitlines() if line]

    def fire(target: int) -> None:
        rows = yard.store.open_commands("r")
        yard.deliver_light(next(row.command.n for row in rows if row.command.target == target))

    assert [one["what"] for one in look()] == ["waiting"]
    fire(1)
    assert [(one["what"], one["reminder"], one["node"]) for one in look()] == [("reminder", 1, "ok")]
    fire(2)
    fire(ESCALATION)
    second, escalated = look()
    assert (second["what"], second["reminder"]) == ("reminder", 2)
    assert (escalated["what"], escalated["users"], escalated["scopes"]) == ("escalated", ["boss"], [])
    row = yard.store.node("r", "ok", "")
    assert delegate(yard.store, "r", row, Answer(True, "boss", "yours"), "cid") is not None
    assert [(one["what"], one["by"], one["to"], one["note"]) for one in look()] == [
        ("delegated", "boss", "cid", "yours")
    ]
    assert look() == []


def test_a_notice_that_fails_is_told_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_NOTICE_COMMAND", "exit 1")
    (yard.folder / ".smithers").mkdir()
    yard.start(asks)
    yard.fetch()
    yard.step(1)
    tells = teller(yard)
    tells.look(yard.store.due_runs())
    assert tells.told() == set()


def test_runs_that_ended_long_ago_are_deleted_where_the_project_says_so(yard: Yard) -> None:
    for name in ("old", "open"):
        yard.store.create_run(NewRun(name, "ship", {}, "d", "/flow.py"))
    end(yard.store, "old", "finished")
    swept(yard)
    assert {run.run_id for run in yard.store.runs()} == {"old", "open"}

    (yard.folder / "smithers.toml").write_text('[retention]\nolder_than = "2m"')
    swept(yard)
    assert {run.run_id for run in yard.store.runs()} == {"old", "open"}

    (yard.folder / "smithers.toml").write_text('[retention]\nolder_than = "30s"\nstatuses = ["failed"]')
    swept(yard)
    assert {run.run_id for run in yard.store.runs()} == {"old", "open"}

    left = yard.folder / ".smithers" / "code" / f"{copies.NEW}left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    (yard.folder / "smithers.toml").write_text('[retention]\nolder_than = "30s"')
    swept(yard)
    assert {run.run_id for run in yard.store.runs()} == {"open"}
    assert not left.exists(), "copies of code that nobody needs go with them"
