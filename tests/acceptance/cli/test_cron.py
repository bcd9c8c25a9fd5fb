"""`smithers cron` on a real local server: runs that the clock starts, once for each time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from smithers.project import Project
from smithers.store import open_store
from smithers.temporal import local, schedules
from smithers.temporal.client import connect
from tests.acceptance.cli.running import Shell

FLOW = """\
import time
from pydantic import BaseModel
from smithers import Context, Task, TaskContext, call, workflow

class Given(BaseModel):
    seconds: float = 0

class Text(BaseModel):
    text: str = ""

def say(seconds: float, context: TaskContext) -> Text:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        context.raise_if_cancelled()
        time.sleep(0.02)
    return Text(text="hi")

@workflow(input=Given)
def tick(ctx: Context[Given]):
    return Task("say", output=Text)[call(say, ctx.input.seconds)]
"""


@pytest.fixture
def hosted(shell: Shell) -> Shell:
    """A folder with a workflow, and a worker that starts what falls due."""
    shell.write("flow.py", FLOW)
    shell.begin("start")
    return shell


def runs(shell: Shell, name: str = "tick", status: str = "") -> list[str]:
    words = ["ps", "--tag", f"schedule={name}", "--json", *(["--status", status] if status else [])]
    result = shell.call(*words)
    return [run["runId"] for run in result.json["runs"]] if result.status == 0 else []


def show(shell: Shell, name: str = "tick") -> Any:
    return shell.call("cron", "show", name, "--json").json


@pytest.mark.feature("cli.cron.add", "cli.cron.list", "cli.cron.rm", "inbox.cron.enabled")
def test_a_schedule_starts_a_run_for_each_time_until_it_is_paused(hosted: Shell):
    added = hosted.call("cron", "add", "--every", "1s", "flow.py", "--tag", "team=blue", "--note", "often", "--json")
    assert added.status == 0, added.err
    assert (added.json["cronId"], added.json["everySeconds"], added.json["enabled"]) == ("tick", 1, True)

    hosted.until(lambda: len(runs(hosted, status="finished")) >= 3, "three runs")
    assert hosted.call("cron", "pause", "tick", "--note", "enough").status == 0
    hosted.until(lambda: len(runs(hosted)) == len(runs(hosted, status="finished")), "the last run ends")
    ids = runs(hosted)

    assert len(set(ids)) == len(ids)
    assert all(run.startswith("tick-20") and run.endswith("Z") for run in ids)
    (listed,) = hosted.call("cron", "list", "--json").json["schedules"]
    assert (listed["enabled"], listed["note"], listed["lastRunId"]) == (False, "enough", ids[0])
    assert (listed["nextRunAt"], listed["error"], listed["tags"]) == (None, None, {"team": "blue"})
    assert hosted.call("cron", "unpause", "tick", "--json").json["enabled"] is True
    hosted.until(lambda: len(runs(hosted)) > len(ids), "it goes on")
    assert hosted.call("cron", "rm", "tick").status == 0
    assert hosted.call("cron", "list", "--json").json == {"schedules": []}
    assert hosted.call("cron", "rm", "tick", "--json").error["code"] == "SCHEDULE_NOT_FOUND"


@pytest.mark.feature("cli.cron.missed")
def test_a_time_that_was_missed_is_started_once_however_often_it_is_asked_for(hosted: Shell):
    added = hosted.call("cron", "add", "0 * * * *", "flow.py", "--timezone", "Asia/Kolkata", "--json")
    assert added.json["nextRunAt"].endswith("30:00.000Z"), added.err  # half an hour off UTC

    for _ in range(2):
        assert hosted.call("cron", "backfill", "tick", "--since", "3h").status == 0
        hosted.until(lambda: len(runs(hosted, status="finished")) == 3, "the times of three hours")
    hosted.call("cron", "trigger", "tick")
    hosted.until(lambda: len(runs(hosted, status="finished")) == 4, "one more, now")

    assert all(run.endswith("3000Z") for run in runs(hosted)[1:])


@pytest.mark.feature("inbox.cron.error", "inbox.cron.track", "cli.cron.path")
def test_what_keeps_a_schedule_from_starting_is_shown_until_it_starts_again(hosted: Shell):
    hosted.call("cron", "add", "@yearly", "flow.py")
    flow = hosted.root / "flow.py"
    flow.rename(hosted.root / "away.py")

    hosted.call("cron", "trigger", "tick")
    hosted.until(lambda: show(hosted)["error"], "the error is known")
    assert show(hosted)["error"]["code"] == "WORKFLOW_FILE"
    assert "error" in hosted.call("cron", "list").out
    flow.write_text(FLOW.replace('text="hi"', 'text="edited"'))
    hosted.call("cron", "trigger", "tick")
    hosted.until(lambda: runs(hosted, status="finished"), "it starts with the code as it is now")

    assert show(hosted)["error"] is None
    assert hosted.call("output", runs(hosted)[0], "say").json == {"text": "edited"}


def test_an_overlap_policy_is_about_the_run_before(hosted: Shell):
    words = ("--input", '{"seconds": 60}', "--json")
    assert hosted.call("cron", "add", "@yearly", "flow.py", "--overlap", "cancel-other", *words).status == 0

    hosted.call("cron", "trigger", "tick")
    (first,) = hosted.until(lambda: runs(hosted, status="running"), "the first run")
    hosted.call("cron", "trigger", "tick", "--overlap", "skip")
    hosted.until(lambda: show(hosted)["skipped"] == 1, "it was left out")
    hosted.call("cron", "trigger", "tick")
    hosted.until(lambda: runs(hosted, status="cancelled") == [first], "the first run is cancelled")
    (second,) = hosted.until(lambda: runs(hosted, status="running"), "the second run")

    assert first != second


@pytest.mark.feature("cli.cron.store", "cli.cron.start")
def test_schedules_outlive_the_servers_data(shell: Shell):
    shell.write("flow.py", FLOW)
    shell.call("cron", "add", "0 9 * * *", "flow.py")
    assert shell.call("stop").status == 0
    for file in (shell.root / ".smithers" / "server").glob("temporal.db*"):
        file.unlink()
    assert "does not run" in shell.call("cron", "list").err

    shell.begin("cron", "start")

    shell.until(lambda: is_there(shell.root) and show(shell)["nextRunAt"], "the schedule is there again")


def test_the_local_server_stays_while_there_are_schedules(shell: Shell):
    shell.write("flow.py", FLOW)
    quick = {"env": {"SMITHERS_SERVER_LINGER": "0.2"}}
    shell.call("cron", "add", "0 9 * * *", "flow.py", **quick)
    status = local.status(Project(shell.root))

    assert status is not None
    assert status["keep_until"] > 10**10 / 4
    shell.call("cron", "rm", "tick", **quick)
    shell.until(lambda: not is_there(shell.root), "the server leaves")


def is_there(root: Path) -> bool:
    return local.status(Project(root)) is not None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["0 9 * *", "flow.py"], "INPUT_ERROR"),
        (["flow.py"], "INPUT_ERROR"),
        (["--every", "5m", "0 9 * * *", "flow.py"], "INPUT_ERROR"),
        (["0 9 * * *", "nowhere.py"], "WORKFLOW_FILE"),
        (["0 9 * * *", "flow.py", "--input", '{"second": 1}'], "INVALID_INPUT"),
        (["0 9 * * *", "flow.py", "--input", '{"seconds": "x"}'], "INVALID_INPUT"),
        (["0 9 * * *", "flow.py", "--timezone", "Nowhere"], "INPUT_ERROR"),
        (["0 9 * * *", "flow.py", "--overlap", "maybe"], "INPUT_ERROR"),
        (["0 9 * * *", "flow.py", "--name", "a b"], "INPUT_ERROR"),
        (["0 9 * * *", "flow.py", "--tag", "team"], "INPUT_ERROR"),
    ],
)
def test_a_schedule_that_could_not_start_anything_is_refused_with_nothing_made(
    shell: Shell, words: list[str], code: str
):
    shell.write("flow.py", FLOW)

    result = shell.call("cron", "add", *words, "--json")

    assert (result.status, result.error["code"]) == (4, code), result.err
    assert not (shell.root / ".smithers").exists()


def test_a_schedule_is_replaced_on_request_only_and_never_left_half_made(shell: Shell):
    shell.write("flow.py", FLOW)
    shell.call("cron", "add", "0 9 * * *", "flow.py")

    again = shell.call("cron", "add", "0 10 * * *", "flow.py", "--json")
    never = shell.call("cron", "add", "0 9 31 2 *", "flow.py", "--replace", "--json")
    assert (again.error["code"], never.status) == ("SCHEDULE_EXISTS", 4)
    assert show(shell)["pattern"] == "0 9 * * *"

    replaced = shell.call("cron", "add", "0 10 * * *", "flow.py", "--replace", "--json")
    assert (replaced.json["pattern"], replaced.json["nextRunAt"][11:16]) == ("0 10 * * *", "10:00")


def test_doctor_tells_of_schedules_that_are_not_as_they_should_be(hosted: Shell):
    for name in ("fine", "resting", "lost", "forgotten"):
        added = hosted.call("cron", "add", "--every", "1h", "flow.py", "--name", name)
        assert added.status == 0, added.err
    hosted.call("cron", "pause", "resting", "--note", "holidays")
    project = Project(hosted.root)
    status = local.status(project)
    assert status is not None
    asyncio.run(forget(project, status["address"], "lost"))
    store = open_store(project, create=False)
    store.delete_schedule("forgotten")
    store.close()

    def checks() -> dict[str, tuple[str, str]]:
        found = hosted.call("doctor", "--json").json["checks"]
        return {one["name"]: (one["state"], one["text"]) for one in found if one["name"].startswith("schedule")}

    found = hosted.until(lambda: len(told := checks()) == 4 and told, "Temporal's list has caught up")
    assert found["schedules"] == ("ok", "3 schedules, 1 of them as they should be")
    assert found["schedule resting"][0] == "note"
    assert found["schedule lost"] == ("problem", "Temporal does not have it")
    assert found["schedule forgotten"][0] == "problem"


async def forget(project: Project, address: str, name: str) -> None:
    """As Temporal does when somebody deletes a schedule there."""
    await schedules.remove(await connect(project, address), project.name, name)
