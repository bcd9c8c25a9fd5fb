"""Operators take hold of real runs: pauses, tasks that run again, other input, and what is stuck."""

from __future__ import annotations

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
