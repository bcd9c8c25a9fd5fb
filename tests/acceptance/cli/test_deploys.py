"""Workers with different code side by side, on a real server: each run only ever sees one of them."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from smithers.project import Project
from smithers.store import open_store
from tests.acceptance.cli.running import Shell

pytestmark = pytest.mark.timeout(240)

FLOW = """\
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, call, workflow
import helper

print("the module prints")

class Input(BaseModel):
    name: str = "x"

class Text(BaseModel):
    text: str = ""

def work(name: str, node: str) -> Text:
    with Path("ran-" + name).open("a") as file:
        file.write(helper.VERSION + " " + node + "\\n")
    time.sleep(0.2)
    return Text(text=helper.VERSION + " " + Path(__file__).with_name("prompts").joinpath("say.md").read_text())

def some(name, *numbers):
    return [Task(f"t{n}", output=Text, retries=9)[call(work, name, f"t{n}")] for n in numbers]

@workflow(input=Input)
def ship(ctx: Context[Input]):
    first, second = some(ctx.input.name, 0, 1, 2, 3), some(ctx.input.name, 4, 5)
    return Sequence[Approval("go", title="Go?"), *first, Approval("mid", title="On?"), *second]
"""


@pytest.fixture
def project(shell: Shell) -> Shell:
    shell.write("flow.py", FLOW)
    (shell.root / "prompts").mkdir()
    edit(shell, "old")
    return shell


def edit(shell: Shell, version: str) -> None:
    """What changes is a module and a prompt; the workflow file itself stays."""
    shell.write("helper.py", f'VERSION = "{version}"\n')
    shell.write("prompts/say.md", f"{version} prompt")


def begin(shell: Shell, run: str) -> None:
    result = shell.call("up", "flow.py", "--run-id", run, "--no-wait", "--input", f'{{"name": "{run}"}}')
    assert result.status == 3, result.err


def ran(shell: Shell, run: str) -> list[str]:
    """Version and node of each body that was begun."""
    path = shell.root / f"ran-{run}"
    return path.read_text().splitlines() if path.exists() else []


def code(shell: Shell, run: str) -> dict[str, Any]:
    return shell.call("inspect", run, "--format", "json").json["code"]


def hosted(shell: Shell, run: str) -> int:
    """The process that hosts a run's old code, once it does."""
    found = shell.until(lambda: (it := code(shell, run))["standing"] == "hosted" and it, f"{run}'s code is hosted")
    return found["pids"][0]


def written_by(shell: Shell, run: str) -> list[str]:
    """Digests of the code that wrote frames and claims, without repetition."""
    store = open_store(Project(Path(shell.root)), create=False)
    try:
        codes = [entry.code for entry in store.entries(run) if entry.kind in ("frame", "claim")]
    finally:
        store.close()
    return [now for before, now in zip(["", *codes], codes, strict=False) if now != before]


def finish(shell: Shell, run: str) -> None:
    shell.until(lambda: shell.status(run) == "waiting-approval", f"{run} waits in its middle")
    assert shell.call("approve", run, "mid").status == 0
    shell.until(lambda: shell.status(run) == "finished", f"{run} finishes")


def test_two_codes_work_side_by_side_and_no_run_alternates_also_under_kills_and_a_follow(project: Shell) -> None:
    shell = project
    for run in ("a1", "a2"):
        begin(shell, run)
    edit(shell, "new")
    begin(shell, "b1")
    shell.begin("start", stdout=None, stderr=None)
    victim = hosted(shell, "a1")
    for run in ("a1", "a2", "b1"):
        assert shell.call("approve", run, "go").status == 0

    shell.until(lambda: len(ran(shell, "a1")) >= 2, "a body of the old code runs")
    os.kill(victim, signal.SIGKILL)
    worker = shell.until(lambda: code(shell, "b1")["pids"], "the new code is held")[0]
    os.kill(worker, signal.SIGKILL)
    assert hosted(shell, "a1") != victim
    shell.until(lambda: shell.status("a2") == "waiting-approval" and len(ran(shell, "a2")) >= 4, "a2 is in its middle")
    followed = shell.call("follow", "a2", "--yes", "--format", "json")
    for run in ("a1", "a2", "b1"):
        finish(shell, run)

    assert followed.json["followed"], followed.err
    assert {line.split()[0] for line in ran(shell, "a1")} == {"old"}
    assert {line.split()[0] for line in ran(shell, "b1")} == {"new"}
    before = [line for line in ran(shell, "a2") if line.split()[1] in ("t0", "t1", "t2", "t3")]
    assert {line.split()[0] for line in before} == {"old"}
    assert [line for line in ran(shell, "a2") if line not in before] == ["new t4", "new t5"]
    assert written_by(shell, "a1") == [followed.json["from"]]
    assert written_by(shell, "b1") == [followed.json["to"]]
    assert written_by(shell, "a2") == [followed.json["from"], followed.json["to"]]
    assert shell.call("output", "a1", "t5").json == {"text": "old old prompt"}
    assert shell.call("output", "a2", "t5").json == {"text": "new new prompt"}
    shell.until(lambda: not [line for line in shell.processes().values() if "worker.hosted" in line], "none is left")


def test_hosted_code_does_not_outlive_a_worker_or_a_guard_that_is_killed(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    edit(shell, "new")
    guard = shell.begin("start", stdout=None, stderr=None)
    first = hosted(shell, "r1")
    worker = next(pid for pid, line in shell.processes().items() if "worker.host --serve" in line)

    os.kill(worker, signal.SIGKILL)
    shell.until(lambda: first not in shell.processes(), "what a dead worker hosted is gone")
    second = hosted(shell, "r1")
    os.kill(guard.pid, signal.SIGKILL)
    shell.until(lambda: second not in shell.processes(), "what a dead guard's worker hosted is gone")

    assert code(shell, "r1")["standing"] == "kept"
    why = shell.call("why", "r1", "--format", "json").json
    assert [reason["command"] for reason in why["reasons"] if reason["kind"] == "old-code"] == [
        "smithers up --resume r1 --pinned"
    ]


@pytest.mark.feature("cli.up.resume")
def test_an_edited_file_stops_the_run_that_is_resumed_until_somebody_says_which_code(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    edit(shell, "new")
    shell.call("approve", "r1", "go")

    stopped = shell.call("up", "--resume", "r1", "--format", "json")
    both = shell.call("up", "--resume", "r1", "--pinned", "--follow", "--format", "json")
    pinned = shell.call("up", "--resume", "r1", "--pinned", "--no-wait")
    edit(shell, "old")
    shell.call("approve", "r1", "mid")
    reverted = shell.call("up", "--resume", "r1")

    assert (stopped.status, stopped.error["code"]) == (4, "CODE_CHANGED")
    assert stopped.error["data"]["changed_files"] == ["helper.py", "prompts/say.md"]
    assert "--pinned" in stopped.error["message"]
    assert (both.status, both.error["code"]) == (4, "INPUT_ERROR")
    assert pinned.status == 3, pinned.err
    assert "goes on with its own code" in pinned.err
    assert reverted.status == 0, reverted.err
    assert {line.split()[0] for line in ran(shell, "r1")} == {"old"}


def test_a_run_goes_on_with_its_own_code_when_its_file_is_gone(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    for name in ("flow.py", "helper.py", "prompts/say.md"):
        (shell.root / name).unlink()
    shell.call("approve", "r1", "go")

    gone = shell.call("up", "--resume", "r1", "--format", "json")
    pinned = shell.call("up", "--resume", "r1", "--pinned", "--no-wait")

    assert (gone.status, "--pinned" in gone.error["message"]) == (4, True)
    assert pinned.status == 3, pinned.err
    assert [line.split()[0] for line in ran(shell, "r1")] == ["old"] * 4


def test_a_follow_is_shown_before_it_is_done_and_a_run_that_is_watched_goes_on_with_it(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    watching = shell.begin("up", "--resume", "r1", "--detach", "--format", "json")
    shell.result(watching)
    shell.until(lambda: code(shell, "r1")["standing"] == "held", "its code is held")
    tree = FLOW.replace(
        'Approval("go", title="Go?"), ', 'Approval("go", title="Go?"), Approval("more", title="More?"), '
    )
    shell.write("flow.py", tree)
    edit(shell, "new")

    shown = shell.call("follow", "r1", "--dry-run", "--format", "json")
    unasked = shell.call("follow", "r1", "--format", "json")
    assert code(shell, "r1")["digest"] == shown.json["from"]
    followed = shell.call("follow", "r1", "--yes")
    again = shell.call("follow", "r1", "--yes", "--format", "json")
    for node in ("go", "more"):
        shell.until(lambda node=node: shell.call("approve", "r1", node).status == 0, f"{node} is asked")
    finish(shell, "r1")

    assert any("more" in line for line in shown.json["difference"]), shown.out
    assert shown.json["followed"] is False
    assert (unasked.status, unasked.error["code"]) == (4, "INPUT_ERROR")
    assert "more" in followed.out
    assert (again.status, again.json["followed"]) == (0, False)
    assert {line.split()[0] for line in ran(shell, "r1")} == {"new"}


def test_what_to_type_for_a_file_that_has_moved_names_it(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    (shell.root / "flow.py").rename(shell.root / "new name.py")

    stopped = shell.call("up", "new name.py", "--resume", "r1", "--format", "json")
    line = next(line for line in stopped.error["message"].splitlines() if line.endswith("--follow"))
    words = shlex.split(line.partition(": ")[2])
    followed = shell.call(*words[1:], "--no-wait")

    assert (stopped.status, stopped.error["code"]) == (4, "CODE_CHANGED")
    assert followed.status == 3, followed.err
    assert "⟳ follows the code" in followed.err


def test_an_input_that_new_code_does_not_take_any_more_is_told_and_can_be_put_right(project: Shell) -> None:
    shell = project
    begin(shell, "r1")
    shell.write("flow.py", FLOW.replace('    name: str = "x"\n', '    name: str = "x"\n    more: int\n'))

    stopped = shell.call("up", "--resume", "r1", "--format", "json")
    followed = shell.call("up", "--resume", "r1", "--follow", "--no-wait")
    why = shell.call("why", "r1", "--format", "json").json
    amended = shell.call("amend", "r1", "--input", '{"name": "r1", "more": 3}')
    goes_on = shell.call("up", "--resume", "r1", "--no-wait")

    assert (stopped.status, stopped.error["code"]) == (4, "CODE_CHANGED")
    assert "does not fit Input of workflow 'ship': more: Field required" in stopped.error["message"]
    assert followed.status == 3, followed.err
    assert [reason["kind"] for reason in why["reasons"] if "does not fit Input" in reason["text"]] == ["code"]
    assert amended.status == 0, amended.err
    assert goes_on.status == 3, goes_on.err
    assert shell.status("r1") == "waiting-approval"
