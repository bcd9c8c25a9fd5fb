"""Runs that take turns in a queue, from the shell."""

from __future__ import annotations

from tests.acceptance.cli.running import Shell

FLOW = """\
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Context, Task, call, workflow

class Gate(BaseModel):
    file: str = ""

class Text(BaseModel):
    text: str = ""

def work(file: str) -> Text:
    while file and not Path(file).exists():
        time.sleep(0.02)
    return Text(text="shipped")

@workflow(input=Gate)
def shipping(ctx: Context[Gate]):
    return Task("ship", output=Text, queue="deploys")[call(work, ctx.input.file)]
"""


def test_up_waits_for_its_turn_and_leaves_it_when_told_not_to_wait(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    holder = shell.begin("up", "flow.py", "--run-id", "first", "--input", '{"file": "go"}')
    shell.until(lambda: shell.call("ps", "--json").out.count('"running"'), "the first has its turn")

    left = shell.call("up", "flow.py", "--run-id", "second", "--no-wait", "--json")

    assert (left.status, left.json["status"]) == (3, "waiting-queue"), left.err
    [reason] = [one for one in left.json["reasons"] if one["kind"] == "turn"]
    assert (reason["queue"], reason["holders"][0]["runId"]) == ("deploys", "first")
    stays = shell.begin("up", "--resume", "second", stdout=None)
    shell.until(lambda: "queue deploys, behind first" in shell.call("ps").out, "ps says behind whom")
    assert stays.poll() is None
    shell.write("go", "")
    assert [shell.result(one).status for one in (holder, stays)] == [0, 0]


def test_a_turn_that_is_given_at_once_is_no_wait(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    done = shell.call("up", "flow.py", "--no-wait")
    assert (done.status, '"shipped"' in done.out) == (0, True), done.err
