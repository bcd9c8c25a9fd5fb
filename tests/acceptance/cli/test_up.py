"""`smithers up` on a real server: what is printed where, exit statuses, waiting, resuming."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.acceptance.cli.running import Shell

HEAD = """\
import os, signal, sys, time
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Context, Loop, NonRetryable, Parallel, Sequence, Task, Timer, call, workflow

print("the module prints")

class Text(BaseModel):
    text: str = ""

def say(text: str) -> Text:
    print("a task prints")
    return Text(text=text)

def slow(name: str, seconds: float) -> Text:
    Path(name).touch()
    time.sleep(seconds)
    return Text(text=name)

"""


def flow(tree: str, more: str = "") -> str:
    return f"{HEAD}{more}\n@workflow\ndef shop(ctx: Context[None]):\n    return {tree}\n"


HELLO = flow('Task("hello", output=Text)[call(say, "hi")]')
GATE = flow(
    'Sequence[Task("build", output=Text)[call(say, "built")], Approval("publish", title="Ship it?"), '
    'Task("tag", output=Text)[call(say, "tagged")]]'
)


@pytest.mark.feature("cli.up.max-concurrency")
def test_no_more_tasks_are_in_flight_than_wanted(shell: Shell):
    tasks = ", ".join(f'Task("t{n}", output=Text)[call(slow, "t{n}", 0.1)]' for n in range(3))
    shell.write("flow.py", flow(f"Parallel[{tasks}]"))

    assert shell.call("up", "flow.py", "-c", "1").status == 0

    told = shell.call("events", "-t", "NodeStarted", "-t", "NodeFinished", "--json").out.splitlines()
    assert [json.loads(line)["type"] for line in told] == ["NodeStarted", "NodeFinished"] * 3


def test_a_priority_is_kept_and_shown(shell: Shell):
    shell.write("flow.py", HELLO)

    assert shell.call("up", "flow.py", "--priority", "1").status == 0

    assert "priority  1" in shell.call("inspect").out
    assert shell.call("inspect", "--json").json["priority"] == 1
    assert shell.call("up", "flow.py", "--priority", "6").status == 4
    refused = shell.call("up", "--resume", "--priority", "2")
    assert (refused.status, "--priority belongs to a new run" in refused.err) == (4, True)


@pytest.mark.feature(
    "cli.up.start",
    "cli.global.exit0",
    "cli.global.progress.stream",
    "cli.global.progress.start",
    "cli.global.progress.done",
    "cli.global.progress.end",
)
def test_a_run_prints_its_output_on_stdout_and_its_progress_on_stderr(shell: Shell):
    shell.write("flow.py", HELLO)

    result = shell.call("up", "flow.py")

    assert result.status == 0, result.err
    assert result.json == {"text": "hi"}
    assert "→ hello (attempt 1, iteration 0)" in result.err
    assert "✓ hello (0.0s)" in result.err
    assert "✓ finished in" in result.err
    assert "\x1b" not in result.err


@pytest.mark.feature("cli.global.format")
def test_json_is_one_document_whatever_the_authors_code_prints(shell: Shell):
    noisy = HELLO.replace('print("a task prints")', 'print("a task prints"); os.write(1, b"below Python")')
    shell.write("flow.py", noisy)

    result = shell.call("up", "flow.py", "--format", "json")

    assert (result.json["status"], result.json["output"]) == ("finished", {"text": "hi"})
    assert result.json["outputs"] == {"hello": {"text": "hi"}}
    assert result.status == 0


@pytest.mark.feature("cli.global.filter-output")
def test_a_part_of_the_answer_of_a_run_and_of_the_command_that_is_short_for_it(shell: Shell):
    shell.write("flow.py", HELLO)

    assert shell.call("--filter-output", "outputs.hello.text", "flow.py").json == "hi"
    assert shell.call("output", "latest", "hello", "--filter-output=text").json == "hi"
    assert shell.call("up", "nowhere.py", "--filter-output", "runId").error["code"] == "WORKFLOW_FILE"


def test_what_a_task_prints_is_kept_with_it(shell: Shell):
    shell.write("flow.py", HELLO)
    shell.call("up", "flow.py", "--run-id", "r1")

    assert "hello | a task prints" in shell.call("logs", "r1").out


@pytest.mark.feature("cli.global.direct-file")
def test_a_workflow_file_alone_is_run(shell: Shell):
    shell.write("flow.py", HELLO)

    assert shell.call("flow.py").json == {"text": "hi"}


@pytest.mark.feature("cli.global.exit1", "cli.global.progress.fail")
def test_a_failed_run_exits_1_and_says_where_and_how_to_go_on(shell: Shell):
    boom = "def boom() -> Text:\n    raise NonRetryable('the disk is full')\n"
    shell.write("flow.py", flow('Task("build", output=Text)[boom]', boom))

    result = shell.call("up", "flow.py", "--run-id", "r1")

    assert result.status == 1
    assert result.out == ""
    assert "✗ build failed: the disk is full" in result.err
    assert "smithers up --resume r1" in result.err


@pytest.mark.feature("resume.steps.check")
@pytest.mark.feature("cli.up.resume")
def test_changed_code_is_followed_only_when_asked_and_a_failed_run_goes_on_from_its_failed_task(shell: Shell):
    broken = (
        'def count() -> Text:\n    open("first", "a").write("x")\n    return Text()\n'
        "def boom() -> Text:\n    raise NonRetryable('no')\n"
    )
    tree = 'Sequence[Task("first", output=Text)[count], Task("second", output=Text)[boom]]'
    shell.write("flow.py", flow(tree, broken))
    assert shell.call("up", "flow.py", "--run-id", "r1").status == 1
    more = tree[:-1] + ', Task("third", output=Text)[call(say, "new")]]'
    shell.write("flow.py", flow(more, broken.replace("raise NonRetryable('no')", "return Text(text='well')")))

    refused = shell.call("up", "--resume", "r1", "--format", "json")
    followed = shell.call("up", "--resume", "r1", "--follow")

    assert (refused.status, refused.error["code"]) == (4, "CODE_CHANGED")
    assert "--follow" in refused.error["message"]
    assert followed.status == 0, followed.err
    assert followed.json == {"text": "new"}
    assert shell.call("output", "r1", "second").json == {"text": "well"}
    assert (shell.root / "first").read_text() == "x"


@pytest.mark.feature("cli.global.exit3", "cli.up.exit-waiting")
def test_waiting_for_a_person_exits_3_and_says_how_to_answer_and_go_on(shell: Shell):
    shell.write("flow.py", GATE)

    result = shell.call("up", "flow.py", "--run-id", "r1")

    assert result.status == 3
    assert '⏸ waits for approval: publish "Ship it?" — smithers approve r1 publish' in result.err
    assert "smithers up --resume r1" in result.err


@pytest.mark.feature("hitl.gate.cli")
@pytest.mark.feature("cli.approve.record", "cli.up.resume", "resume.cli")
def test_an_approved_run_goes_on_and_only_its_new_tasks_run(shell: Shell):
    shell.write("flow.py", GATE)
    waiting = shell.call("up", "flow.py", "--run-id", "r1", "--format", "json")
    assert [reason["command"] for reason in waiting.json["reasons"]] == ["smithers approve r1 publish"]

    assert shell.call("approve", "r1", "--note", "good").status == 0
    result = shell.call("up", "--resume", "r1")

    assert result.status == 0, result.err
    assert result.json == {"text": "tagged"}
    assert "build" not in result.err
    assert shell.call("up", "flow.py", "--run-id", "r1", "--resume", "true").json == {"text": "tagged"}


def test_approve_with_resume_carries_the_run_on(shell: Shell):
    shell.write("flow.py", GATE)
    shell.call("up", "flow.py")

    result = shell.call("approve", "--resume", "--format", "json")

    assert (result.status, result.json["status"]) == (0, "finished")


@pytest.mark.feature("cli.deny.record", "cli.approve.note")
def test_a_denied_run_fails_and_keeps_the_note(shell: Shell):
    shell.write("flow.py", GATE)
    shell.call("up", "flow.py", "--run-id", "r1")

    result = shell.call("deny", "r1", "--note", "not yet", "--resume")

    assert result.status == 1
    assert "not yet" in result.err


@pytest.mark.feature("timer.restart-safe")
@pytest.mark.feature("cli.global.progress.timer")
def test_a_timer_is_waited_for_unless_told_not_to(shell: Shell):
    shell.write("flow.py", flow('Sequence[Timer("nap", duration="4s"), Task("a", output=Text)[call(say, "up")]]'))

    left = shell.call("up", "flow.py", "--no-wait", "--run-id", "r1")
    assert left.status == 3
    assert "nap waits for a time: it fires in" in left.err
    assert shell.call("up", "--resume", "r1").json == {"text": "up"}


@pytest.mark.feature("cli.global.exit2", "cli.cancel.run", "cli.cancel.exit", "run.cancel.cli")
def test_a_cancelled_run_exits_2(shell: Shell):
    shell.write("flow.py", flow('Task("slow", output=Text)[call(slow, "began", 60)]'))
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until((shell.root / "began").exists, "the task runs")

    assert shell.call("cancel", "r1").status == 2
    result = shell.result(process)

    assert result.status == 2, result.err
    assert shell.status("r1") == "cancelled"


def test_a_reader_that_leaves_early_does_not_stop_the_run(shell: Shell):
    tasks = ", ".join(f'Task("t{n}", output=Text)[call(say, "x" * 9000)]' for n in range(20))
    shell.write("flow.py", flow(f"Sequence[{tasks}]"))
    head = subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    process = shell.begin("up", "flow.py", "--run-id", "r1", stdout=head.stdin, stderr=head.stdin)
    assert head.stdin is not None
    head.stdin.close()
    shell.result(process)

    assert process.returncode == 0
    assert shell.status("r1") == "finished"
    assert head.stdout is not None
    assert len(head.stdout.read().splitlines()) == 1
    head.stdout.close()
    head.wait()


@pytest.mark.feature("cli.up.detach", "cli.up.detach-log")
def test_detached_it_runs_in_the_background_and_is_told_of_approvals(shell: Shell):
    shell.write("flow.py", GATE)

    started = shell.call("up", "flow.py", "--detach", "--run-id", "r1", "--format", "json")

    assert set(started.json) == {"runId", "pid", "logFile"}
    shell.until(lambda: shell.status("r1") == "waiting-approval", "it waits")
    answer = shell.call("approve", "r1", "--format", "json")
    assert answer.json["woken"] is True
    shell.until(lambda: shell.status("r1") == "finished", "it finishes")
    assert "✓ finished" in (shell.root / ".smithers" / "logs" / "r1.log").read_text()


@pytest.mark.feature("cli.events.watch", "cli.events.json")
def test_following_shows_everything_until_the_run_has_ended(shell: Shell):
    shell.write("flow.py", flow('Task("slow", output=Text)[call(slow, "began", 1)]'))
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")

    result = shell.call("events", "r1", "--follow", "--format", "json")

    types = [json.loads(line)["type"] for line in result.out.splitlines()]
    assert types[-1] == "RunFinished"
    assert result.status == 0


def test_a_started_worker_goes_on_with_runs_and_stops_when_told(shell: Shell):
    shell.write("flow.py", GATE)
    shell.call("up", "flow.py", "--run-id", "r1")
    started = shell.begin("start")
    shell.until((shell.root / ".smithers" / "bells").exists, "a bell hangs")

    shell.call("approve", "r1")
    shell.until(lambda: shell.status("r1") == "finished", "it finishes")
    workers = {check["name"]: check for check in shell.call("doctor", "--format", "json").json["checks"]}["workers"]
    stopped = shell.call("stop", "--format", "json")

    assert workers["state"] == "ok"
    assert (len(stopped.json["workers"]), stopped.json["left"], stopped.json["server"]) == (1, [], True)
    assert shell.result(started, 20).status == 0


def test_a_run_can_be_driven_again_from_its_log(shell: Shell):
    shell.write("flow.py", GATE)
    shell.call("up", "flow.py", "--run-id", "r1")

    assert shell.call("doctor", "--redrive", "r1", "--format", "json").json["epoch"] == 2
    shell.call("approve", "r1")
    assert shell.call("up", "--resume", "r1").json == {"text": "tagged"}


def test_a_request_with_an_idempotency_key_runs_once(shell: Shell):
    shell.write("flow.py", HELLO)
    words = ("up", "flow.py", "--idempotency-key", "order-17", "--tag", "team=blue", "--format", "json")

    first, second = shell.call(*words), shell.call(*words)
    other = shell.call(*words, "--input", '{"name": "Ann"}')

    assert (first.status, second.status) == (0, 0), second.err
    assert first.json["runId"] == second.json["runId"]
    assert (other.status, other.error["code"]) == (4, "IDEMPOTENCY_CONFLICT")
    found = shell.call("ps", "--tag", "team=blue", "--format", "json").json["runs"]
    assert [run["runId"] for run in found] == [first.json["runId"]]
    refused = shell.call("up", "--resume", first.json["runId"], "--tag", "a=b", "--format", "json")
    assert (refused.status, "--tag" in refused.error["message"]) == (4, True)
