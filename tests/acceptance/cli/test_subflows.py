"""Runs that start other runs, from the command line: what people see, how they answer, and what a crash leaves."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.acceptance.cli.running import Shell

pytestmark = pytest.mark.timeout(180)
CHILD = """
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, TryCatchFinally, call, workflow


class Topic(BaseModel):
    name: str


class Report(BaseModel):
    text: str


def noted(text: str) -> Report:
    with Path("effects.txt").open("a") as file:
        file.write(text + "\\n")
    return Report(text=text)


def shaky(name: str) -> Report:
    if not Path("mended").exists():
        raise RuntimeError("not mended")
    return noted(f"{name} mended")


@workflow(input=Topic)
def research(ctx: Context[Topic]):
    return TryCatchFinally(id="whole", finally_=Task("clean", output=Report)[call(noted, "clean")])[
        Task("find", output=Report)[call(noted, "find")],
        Approval("check", title="Is it right?"),
        Task("write", output=Report)[call(noted, ctx.input.name)],
    ]
"""
PARENT = """
from child import Report, noted, research
from smithers import Context, Sequence, Subflow, Task, call, workflow


@workflow
def parent(ctx: Context[None]):
    def after():
        return Task("after", output=Report)[call(noted, "after " + ctx.output(Report, "research").text)]

    return Sequence[Subflow("research", workflow=research, input={"name": "bees"}, output=Report), after]
"""
SHAKY = """
from pydantic import BaseModel
from smithers import Context, Sequence, Task, call, workflow
from child import Report, noted, shaky


@workflow
def mending(ctx: Context[None]):
    return Sequence[
        Task("first", output=Report)[call(noted, "first")],
        Task("second", output=Report, retries=0)[call(shaky, "it")],
    ]
"""
NAP = """
from smithers import Context, Timer, workflow


@workflow
def nap(ctx: Context[None]):
    return Timer("sleep", duration="1h")
"""
NAPPING = """
from child import Report
from nap import nap
from smithers import Context, Subflow, workflow


@workflow
def napping(ctx: Context[None]):
    return Subflow("part", workflow=nap, output=Report)
"""
MENDED = """
from child import Report
from mending import mending
from smithers import Context, Subflow, workflow


@workflow
def mended(ctx: Context[None]):
    return Subflow("part", workflow=mending, output=Report)
"""


@pytest.fixture
def waiting(shell: Shell) -> Shell:
    """A run whose child waits for a person, with no worker left."""
    shell.write("child.py", CHILD)
    shell.write("parent.py", PARENT)
    left = shell.call("up", "parent.py", "--run-id", "top")
    assert left.status == 3, left.err
    assert "smithers approve" in left.err
    return shell


def effects(shell: Shell) -> list[str]:
    return (shell.root / "effects.txt").read_text().split("\n")[:-1]


@pytest.mark.feature("subflow.lineage", "subflow.mode.childRun", "run.opt.parent")
def test_people_see_what_the_child_waits_for_and_answer_it(waiting: Shell) -> None:
    why = waiting.call("why", "top", "--json").json
    below = next(reason for reason in why["reasons"] if reason["kind"] == "approval")
    assert below["runId"] == "top.research.1"
    assert "approve" in below["command"]
    assert "top.research.1" in below["command"]

    seen = waiting.call("inspect", "top", "--json").json
    child = seen["children"][0]
    assert (child["runId"], child["nodeId"], child["status"]) == ("top.research.1", "research", "waiting-approval")
    assert child["pendingApprovals"][0]["nodeId"] == "check"
    text = waiting.call("inspect", "top").out
    assert "top.research.1" in text
    assert "smithers approve" in text
    assert "parent    top  (node research)" in waiting.call("inspect", "top.research.1").out
    listed = waiting.call("ps", "--parent", "top", "--json").json["runs"]
    assert [(run["runId"], run["parentRunId"]) for run in listed] == [("top.research.1", "top")]

    above = waiting.call("ps", "--status", "waiting-approval", "--json").json["runs"]
    assert [(run["runId"], run["step"]) for run in above] == [
        ("top.research.1", "check"),
        ("top", "research > check"),
    ]
    assert seen["status"] == "waiting-approval"

    refused = waiting.call("approve")
    assert refused.status != 0
    assert "smithers approve top.research.1 check" in refused.err, "without an id it is the run above"

    assert waiting.call("approve", "top.research.1").status == 0
    ended = waiting.call("up", "--resume", "top", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["output"] == {"text": "after bees"}
    assert effects(waiting) == ["find", "bees", "clean", "after bees"]


@pytest.mark.feature("subflow.lineage")
def test_up_leaves_a_run_whose_child_waits_for_a_time_as_it_leaves_its_own(shell: Shell) -> None:
    shell.write("child.py", CHILD)
    shell.write("nap.py", NAP)
    shell.write("napping.py", NAPPING)
    left = shell.call("up", "napping.py", "--run-id", "top", "--no-wait", "--json")

    assert left.status == 3, left.err
    assert left.json["status"] == "waiting-timer"
    timer = next(reason for reason in left.json["reasons"] if reason["kind"] == "timer")
    assert (timer["runId"], timer["nodeId"]) == ("top.part.1", "sleep")
    runs = shell.call("ps", "--json").json["runs"]
    assert {run["runId"]: run["parentRunId"] for run in runs} == {"top.part.1": "top", "top": None}


@pytest.mark.feature("subflow.lineage")
def test_cancelling_the_parent_cancels_the_child_which_cleans_up(waiting: Shell) -> None:
    assert waiting.call("cancel", "top").status == 2
    ended = waiting.call("up", "--resume", "top", "--json")

    assert ended.json["status"] == "cancelled", ended.err
    assert waiting.call("inspect", "top.research.1", "--json").json["status"] == "cancelled"
    assert effects(waiting) == ["find", "clean"]


@pytest.mark.feature("subflow.failed-child")
def test_a_resume_of_the_parent_goes_on_with_the_child_that_failed(shell: Shell) -> None:
    shell.write("child.py", CHILD)
    shell.write("mending.py", SHAKY)
    shell.write("mended.py", MENDED)
    failed = shell.call("up", "mended.py", "--run-id", "top", "--json")
    assert failed.status == 1, failed.err
    error = failed.json["error"]
    assert error["code"] == "WORKFLOW_EXECUTION_FAILED"
    assert error["data"]["status"] == "failed"
    assert error["data"]["run_id"] == "top.part.1"
    assert "not mended" in error["data"]["error"]["message"]

    (shell.root / "mended").touch()
    resumed = shell.call("up", "--resume", "top", "--json")

    assert resumed.status == 0, resumed.err
    assert effects(shell) == ["first", "it mended"]
    assert [run["runId"] for run in shell.call("ps", "--json").json["runs"]] == ["top.part.1", "top"]


@pytest.mark.feature("subflow.mode.childRun")
def test_a_run_survives_the_death_of_its_worker_while_a_child_starts(shell: Shell) -> None:
    shell.write("child.py", CHILD)
    shell.write("parent.py", PARENT)
    begun = shell.begin("up", "parent.py", "--run-id", "top")

    def child() -> Any:
        answer = shell.call("ps", "--json")
        runs = answer.json["runs"] if answer.status == 0 else []
        return [run for run in runs if run["parentRunId"]]

    shell.until(child, "a child run")
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    left = shell.call("up", "--resume", "top")
    assert left.status == 3, left.err
    assert shell.call("approve", "top.research.1", "--node", "check").status == 0
    ended = shell.call("up", "--resume", "top", "--json")

    assert ended.status == 0, ended.err
    assert len(child()) == 1
    assert effects(shell)[-3:] == ["bees", "clean", "after bees"]


@pytest.mark.feature("subflow.mode.childRun", "cli.retrytask.run-id")
def test_a_child_gets_another_input_of_its_own_model_and_its_own_tree_is_compared(waiting: Shell) -> None:
    child = "top.research.1"
    of_parent = waiting.call("amend", child, "--input", "{}", "--json")
    amended = waiting.call("amend", child, "--input", '{"name": "wasps"}', "--json")
    retried = waiting.call("retry-task", child, "find", "--input", '{"name": "ants"}', "--json")
    again = waiting.call("up", "--resume", "top", "--no-wait")
    waiting.write("child.py", CHILD.replace('Approval("check"', 'Approval("more"), Approval("check"'))
    shown = waiting.call("follow", child, "--dry-run", "--json")
    followed = waiting.call("up", "--resume", "top", "--follow", "--no-wait")
    for node in ("more", "check"):
        waiting.call("approve", child, node)
        waiting.call("up", "--resume", "top", "--no-wait")

    assert (of_parent.status, "name" in of_parent.error["message"]) == (4, True)
    assert (amended.status, amended.json["removed"], amended.json["error"]) == (0, [], None)
    assert (retried.status, retried.json["resetNodes"]) == (0, ["find", "check"])
    assert again.status == 3, again.err
    assert shown.json["difference"] == ["+ more (new)"]
    assert followed.status == 3, followed.err
    assert waiting.status("top") == "finished"
    assert effects(waiting) == ["find", "find", "ants", "clean", "after ants"]
