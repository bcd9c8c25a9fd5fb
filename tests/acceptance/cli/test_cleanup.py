"""What blocks clean up, on a real server: when a person cancels, and when everything dies in the middle of it."""

from __future__ import annotations

import os
import signal

import pytest

from tests.acceptance.cli.running import Shell

HEAD = """\
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Caught, Context, NonRetryable, Parallel, Saga, SagaStep, Task, TryCatchFinally, call, workflow

class Text(BaseModel):
    text: str = ""

def note(text: str) -> Text:
    with Path("notes").open("a") as notes:
        print(text, file=notes)
    return Text(text=text)

def slow(name: str, seconds: float) -> Text:
    note(name)
    time.sleep(0.01 if Path("quick").exists() else seconds)
    return Text(text=name)

def broken() -> Text:
    raise NonRetryable("no room", code="FULL")

"""


def flow(tree: str) -> str:
    return f"{HEAD}\n@workflow\ndef shop(ctx: Context[None]):\n    return {tree}\n"


def notes(shell: Shell) -> list[str]:
    path = shell.root / "notes"
    return path.read_text().split() if path.exists() else []


@pytest.mark.feature("trycatch.finally.cancel")
def test_a_cancelled_run_cleans_up_before_it_ends(shell: Shell):
    tree = (
        'TryCatchFinally(catch=Task("handle", output=Text)[call(note, "caught")], '
        'finally_=Task("clean", output=Text)[call(note, "cleaned")])'
        '[Task("work", output=Text)[call(slow, "began", 60)], Task("never", output=Text)[call(note, "never")]]'
    )
    shell.write("flow.py", flow(tree))
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until(lambda: notes(shell), "the task runs")

    assert shell.call("cancel", "r1").status == 2
    result = shell.result(process)

    assert result.status == 2, result.err
    assert notes(shell) == ["began", "cleaned"]
    states = {node["nodeId"]: node["state"] for node in shell.call("inspect", "r1", "--format", "json").json["nodes"]}
    assert states == {"work": "cancelled", "never": "cancelled", "clean": "finished"}


@pytest.mark.feature("saga.durable", "saga.onFailure.compensate-and-fail")
def test_a_saga_that_dies_while_it_is_undone_goes_on_undoing(shell: Shell):
    steps = ", ".join(
        f'SagaStep("{name}", compensation=Task("un{name}", output=Text)[call({how})])'
        f'[Task("{name}", output=Text)[{what}]]'
        for name, how, what in [
            ("one", 'note, "undone-1"', 'call(note, "done-1")'),
            ("two", 'slow, "undoing-2", 60', 'call(note, "done-2")'),
            ("three", 'note, "undone-3"', "broken"),
        ]
    )
    shell.write("flow.py", flow(f'Saga(id="s", on_failure="compensate-and-fail")[{steps}]'))
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until(lambda: "undoing-2" in notes(shell), "the second step is being undone")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (shell.root / "quick").touch()

    result = shell.call("up", "--resume", "r1", "--format", "json")

    assert result.status == 1, result.err
    assert notes(shell) == ["done-1", "done-2", "undoing-2", "undoing-2", "undone-1"]
    assert "no room" in result.out
