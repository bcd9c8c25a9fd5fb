"""Runs whose child runs wait: they are shown, and found, by what is waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smithers import Approval, Context, Parallel, Sequence, Subflow, Task, Timer, WaitForEvent, workflow
from smithers.api.handle import RunHandle
from smithers.api.result import Result
from smithers.engine.entry import Fact
from smithers.errors import RunWaiting
from smithers.flow.workflow import AnyWorkflow
from smithers.project import Project
from smithers.store.records import Append, Launch
from smithers.temporal.subflows import new_child
from smithers.views.children import seen_status, waits_for_people
from smithers.worker.prepare import Prepared
from tests.unit.cli.flows import Deploy, Text, work
from tests.unit.cli.stage import Stage


@workflow
def asking(ctx: Context[None]):
    return Sequence[Approval("check", title="Is it right?"), Task("write", output=Text)[work]]


@workflow
def listening(ctx: Context[None]):
    return WaitForEvent("deploy", event="deployed", output=Deploy)


@workflow
def sleeping(ctx: Context[None]):
    return Sequence[Timer("nap", duration="1h"), Task("write", output=Text)[work]]


@workflow
def above_asking(ctx: Context[None]):
    return Subflow("part", workflow=asking, output=Text)


@workflow
def above_listening(ctx: Context[None]):
    return Subflow("part", workflow=listening, output=Text)


@workflow
def above_sleeping(ctx: Context[None]):
    return Subflow("part", workflow=sleeping, output=Text)


@workflow
def two_below(ctx: Context[None]):
    return Parallel[Subflow("one", workflow=asking, output=Text), Subflow("two", workflow=sleeping, output=Text)]


@workflow
def top(ctx: Context[None]):
    return Subflow("middle", workflow=above_asking, output=Text)


def begin(stage: Stage, parent: str, node: str, below: AnyWorkflow) -> str:
    """Starts the child run of a node, and plans its first frame."""
    command = stage.store.command(parent, stage.command(parent, node).n)[0].command
    launch = Launch(new_child(stage.store.run(parent), command), command, 1, "", {"worker": "me@1"})
    child = stage.store.launch(launch).run_id
    stage.workflows[child] = below
    stage.plan(child)
    return child


def say(stage: Stage, run_id: str, kind: Any, **data: Any) -> None:
    stage.store.append(Append(run_id, (Fact(kind, f"{kind}:1", data),)))


def listed(stage: Stage, *words: str) -> list[str]:
    return [run["runId"] for run in stage.call("ps", *words, "--json").json["runs"]]


@pytest.mark.parametrize(
    ("above", "below", "status"),
    [
        (above_asking, asking, "waiting-approval"),
        (above_listening, listening, "waiting-event"),
        (above_sleeping, sleeping, "waiting-timer"),
    ],
)
@pytest.mark.feature("subflow.lineage")
def test_a_run_waits_for_what_its_child_waits_for(
    stage: Stage, above: AnyWorkflow, below: AnyWorkflow, status: str
) -> None:
    stage.start(above, "above")
    begin(stage, "above", "part", below)

    assert stage.store.run("above").status == "running", "the log knows nothing of it"
    assert stage.call("ps", "--json").json["runs"][1]["status"] == status
    assert stage.call("inspect", "above", "--json").json["status"] == status
    assert stage.call("why", "above", "--json").json["status"] == status
    assert status in stage.call("inspect", "above").out.split("children")[0]
    assert waits_for_people(stage.store, stage.store.run("above")) == (status != "waiting-timer")


def test_a_run_whose_child_is_at_work_is_running(stage: Stage) -> None:
    stage.start(above_asking, "above")
    assert seen_status(stage.store, stage.store.run("above")) == "running", "the child has not been started"
    child = begin(stage, "above", "part", asking)
    assert stage.call("approve", child, "check", "--json").status in (0, 3)
    assert seen_status(stage.store, stage.store.run("above")) == "running", "a plan is due"
    stage.plan(child)

    assert seen_status(stage.store, stage.store.run("above")) == "running", "a task is at work"
    assert not waits_for_people(stage.store, stage.store.run("above"))


def test_of_several_children_a_person_comes_first(stage: Stage) -> None:
    stage.start(two_below, "above")
    begin(stage, "above", "two", sleeping)
    assert seen_status(stage.store, stage.store.run("above")) == "running"
    begin(stage, "above", "one", asking)

    run = stage.store.run("above")
    assert seen_status(stage.store, run) == "waiting-approval"
    assert not waits_for_people(stage.store, run), "the timer goes on without them"


@pytest.mark.feature("subflow.nested")
def test_what_a_grandchild_waits_for_is_seen_at_the_top(stage: Stage) -> None:
    stage.start(top, "top")
    child = begin(stage, "top", "middle", above_asking)
    grandchild = begin(stage, child, "part", asking)

    assert listed(stage, "--status", "waiting-approval") == [grandchild, child, "top"]
    runs = stage.call("ps", "--json").json["runs"]
    assert [run["step"] for run in runs] == ["check", "part > check", "middle > part > check"]
    inbox = stage.call("human", "inbox", "--run-id", "top", "--json").json["requests"]
    assert [(one["runId"], one["nodeId"]) for one in inbox] == [(grandchild, "check")]
    assert len(stage.call("human", "inbox", "--json").json["requests"]) == 1


def test_supervise_says_of_a_run_what_its_child_waits_for(stage: Stage) -> None:
    stage.start(above_asking, "above")
    begin(stage, "above", "part", asking)

    found = {run["runId"]: run["status"] for run in stage.call("supervise", "-n", "--all", "--json").json["runs"]}

    assert found == {"above": "waiting-approval", "above.part.1": "waiting-approval"}
    assert "above (above-asking): waiting-approval, unchanged" in stage.call("supervise", "-n", "--all").out


def test_a_child_is_inspected_with_what_its_own_child_waits_for(stage: Stage) -> None:
    stage.start(top, "top")
    begin(stage, begin(stage, "top", "middle", above_asking), "part", asking)

    below = stage.call("inspect", "top", "--json").json["children"]

    assert [child["status"] for child in below] == ["waiting-approval", "waiting-approval"]
    assert "middle: run top.middle.1 (above-asking) is waiting-approval" in stage.call("inspect", "top").out


def test_a_search_for_statuses_goes_by_what_people_see(stage: Stage) -> None:
    for number in range(4):
        stage.start(above_asking, f"plain-{number}")
        stage.start(above_asking, f"waits-{number}")
        begin(stage, f"waits-{number}", "part", asking)

    assert listed(stage, "--status", "running") == [f"plain-{number}" for number in (3, 2, 1, 0)]
    waiting = listed(stage, "--status", "waiting-approval", "--all")
    assert [one for one in waiting if "part" not in one] == [f"waits-{number}" for number in (3, 2, 1, 0)]
    assert listed(stage, "--status", "waiting-approval", "--limit", "3") == waiting[:3]
    assert listed(stage, "--status", "waiting-approval", "--before", waiting[2]) == waiting[3:]


def test_a_paused_child_keeps_its_parent_waiting_for_people(stage: Stage) -> None:
    stage.start(above_sleeping, "above")
    child = begin(stage, "above", "part", sleeping)
    assert stage.call("pause", child).status == 0

    run = stage.store.run("above")
    assert seen_status(stage.store, run) == "paused"
    assert waits_for_people(stage.store, run), "its timer brings nothing on before it is unpaused"


def test_a_child_whose_code_does_not_render_keeps_its_parent_waiting_until_other_code_is_followed(
    stage: Stage,
) -> None:
    stage.start(above_asking, "above")
    child = begin(stage, "above", "part", asking)
    assert stage.call("approve", child, "check").status in (0, 3)
    say(stage, child, "render_failed", error={"code": "RENDER_FAILED", "message": "no"})
    run = stage.store.run("above")
    assert seen_status(stage.store, run) == "waiting-code"
    assert waits_for_people(stage.store, run)

    say(stage, child, "follow", digest="e" * 64, source="flow.py")
    assert not waits_for_people(stage.store, run), "it is rendered again"


def test_programs_see_what_a_child_waits_for(stage: Stage) -> None:
    stage.start(above_asking, "above")
    begin(stage, "above", "part", asking)

    async def look() -> tuple[str, Result]:
        async with RunHandle(Project(stage.root), Prepared("above", "above-asking", 0, 0, None)) as handle:
            return await handle.status(), await handle.result()

    status, result = asyncio.run(look())
    assert status == result.status == "waiting-approval"
    with pytest.raises(RunWaiting):
        result.finished()
