"""Operators take hold of real runs: pauses, tasks that run again, other input, and what is stuck."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tests.acceptance.cli.running import Shell

FLOW = """
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Context, Sequence, Task, workflow


class Text(BaseModel):
    text: str = ""


def first() -> Text:
    Path("began").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    return Text(text="first")


def second() -> Text:
    return Text(text="second")


@workflow
def slow(ctx: Context[None]):
    return Sequence[Task("first", output=Text)[first], Task("second", output=Text)[second]]
"""

EDITED = """
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, call, workflow


class Names(BaseModel):
    names: list[str]


class Text(BaseModel):
    text: str


def write(name: str) -> Text:
    with Path("written").open("a") as file:
        file.write(name + " ")
    return Text(text=name)


@workflow(input=Names)
def edited(ctx: Context[Names]):
    def ask():
        return Approval("ok", title="Fine?")

    return Sequence[[Task(f"write_{n}", output=Text)[call(write, name)] for n, name in enumerate(ctx.input.names)], ask]
"""


def test_a_waiting_run_gets_another_input_and_a_task_runs_again(shell: Shell) -> None:
    shell.write("flow.py", EDITED)
    assert shell.call("up", "flow.py", "--run-id", "r1", "--input", '{"names": ["a", "b"]}').status == 3

    assert shell.call("amend", "r1", "--input", '{"names": ["A", "b", "c"]}', "--resume").status == 3
    assert (shell.root / "written").read_text() == "a b c "
    assert shell.call("retry-task", "r1", "-n", "write_0", "--no-deps", "--resume").status == 3
    assert (shell.root / "written").read_text() == "a b c A "
    assert shell.call("retry-task", "r1", "write_1", "--resume").status == 3
    assert (shell.root / "written").read_text() == "a b c A b c "
    assert shell.call("approve", "r1", "--resume").status == 0

    assert shell.call("output", "r1", "write_0", "--json").json == {"text": "A"}


def test_a_run_whose_process_was_killed_is_told(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")
    shell.until((shell.root / "began").exists, "the first task runs")
    for pid in shell.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    found = shell.call("supervise", "--stale-threshold", "0s", "--json").json

    assert (found["workers"], found["temporalAsked"]) == (0, False)
    assert [claim["nodeId"] for claim in found["runs"][0]["deadClaims"]] == ["first"]
    assert "worker" in [reason["kind"] for reason in found["runs"][0]["waits"]]


def test_a_paused_run_ends_its_task_and_goes_on_when_it_is_told(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")
    shell.until((shell.root / "began").exists, "the first task runs")

    assert shell.call("pause", "r1", "--note", "wait").status == 0
    (shell.root / "go").touch()
    shell.until(lambda: shell.call("output", "r1", "first").status == 0, "the first task's output is stored")
    assert shell.status("r1") == "paused"
    waits = shell.call("up", "--resume", "r1")
    assert (waits.status, shell.call("output", "r1", "second").status) == (3, 4)
    assert "smithers unpause r1" in waits.err
    assert shell.call("unpause", "r1", "--resume").status == 0

    assert shell.status("r1") == "finished"
    assert shell.call("output", "r1", "second", "--json").json == {"text": "second"}
