"""Runs that continue as new, from the command line: `up` follows them to the last one."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.acceptance.cli.running import Shell
from tests.acceptance.cli.terminal import Terminal

pytestmark = pytest.mark.timeout(180)
COUNTING = """
import os
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Child, Context, ContinueAsNew, Sequence, Task, call, workflow


class Counted(BaseModel):
    number: int = 0


def count(number: int) -> Counted:
    if number == 3 and Path("dies").exists():
        Path("dies").unlink()
        os._exit(9)
    return Counted(number=number)


@workflow
def counting(ctx: Context[dict[str, object]]) -> Child:
    before = ctx.carried(Counted) or Counted()
    check = Approval("check") if before.number and ctx.input.get("asks") else None

    def rest() -> Child:
        counted = ctx.output(Counted, "one")
        return ContinueAsNew(counted) if counted.number < 4 else None

    return Sequence[check, Task("one", output=Counted)[call(count, before.number + 1)], rest]
"""
PARENT = """
from counting import Counted, counting
from smithers import Child, Context, Subflow, workflow


@workflow
def parent(ctx: Context[None]) -> Child:
    return Subflow("part", workflow=counting, input={"asks": True}, output=Counted)
"""
CHAIN = ["top", "top.g1", "top.g2", "top.g3"]


def statuses(shell: Shell, *words: str) -> dict[str, Any]:
    return {run["runId"]: run["status"] for run in shell.call("ps", *words, "--json").json["runs"]}


@pytest.mark.feature(
    "continueasnew.element", "continueasnew.auto-start", "continueasnew.status", "continueasnew.identity"
)
def test_up_follows_a_chain_to_its_end(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    ended = shell.call("up", "counting.py", "--run-id", "top")

    assert ended.status == 0, ended.err
    assert [f"↪ continues as {one}" in ended.err for one in CHAIN[1:]] == [True, True, True]
    assert '"number": 4' in ended.out
    assert ended.err.count("✓ finished in") == 1
    assert statuses(shell) == {**dict.fromkeys(CHAIN[:3], "continued"), "top.g3": "finished"}
    assert list(statuses(shell, "--status", "continued")) == ["top.g2", "top.g1", "top"]
    links = [shell.call("inspect", one, "--json").json for one in CHAIN]
    assert [one["continues"] for one in links] == [None, *CHAIN[:3]]
    assert [one["continuedAs"] for one in links] == [*CHAIN[1:], None]

    refused = shell.call("up", "--resume", "top", "--json")
    assert refused.status == 4
    assert "as top.g3, which is finished: `smithers up --resume top.g3`" in refused.error["message"]
    assert shell.call("up", "--resume", "top.g3").status == 0


@pytest.mark.feature("continueasnew.identity", "continueasnew.original-input")
def test_up_leaves_and_goes_on_with_the_run_that_waits_and_the_same_key_means_the_last_one(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    words = ("up", "counting.py", "--idempotency-key", "k", "--input", '{"asks": true}', "--json")
    left = shell.call(*words, "--run-id", "top")
    assert (left.status, left.json["runId"], left.json["resume"]) == (3, "top.g1", "smithers up --resume top.g1")
    for run, then in zip(CHAIN[1:], [*CHAIN[2:], "top.g3"], strict=True):
        assert shell.call("approve", "top", "check").status == 4, "it has continued"
        assert shell.call("approve", run, "check").status == 0
        left = shell.call(*words)
        assert left.json["runId"] == then, left.err

    assert (left.status, left.json["status"], left.json["output"]) == (0, "finished", {"number": 4})


def test_a_worker_process_that_dies_in_a_later_run_is_started_again_for_that_one(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    shell.write("dies", "")

    ended = shell.call("up", "counting.py", "--run-id", "top", "--json")

    assert (ended.status, ended.json["runId"], ended.json["output"]) == (0, "top.g3", {"number": 4}), ended.err
    assert "starting it again" in ended.err


def test_a_run_in_the_background_goes_on_to_the_end_of_its_chain(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    begun = shell.call("up", "counting.py", "--run-id", "top", "--detach", "--json")
    assert (begun.status, begun.json["runId"]) == (0, "top")

    shell.until(lambda: statuses(shell).get("top.g3") == "finished", "the chain has ended")


def test_a_person_at_the_terminal_answers_the_question_of_each_run(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    screen = Terminal(shell.root, ("up", "counting.py", "--run-id", "top", "--input", '{"asks": true}'))
    try:
        for run in CHAIN[1:]:
            screen.until(f"↪ continues as {run}")
            screen.seen = ""
            screen.until('check: "check"   y approve   n deny')
            screen.type("y")
            screen.until("approve check — note")
            screen.type("\r")
        assert screen.end() == 0
        assert '"number": 4' in screen.seen
    finally:
        screen.close()
    assert statuses(shell) == {**dict.fromkeys(CHAIN[:3], "continued"), "top.g3": "finished"}


def test_ctrl_c_leaves_the_run_that_is_watched_now(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    begun = shell.begin("up", "counting.py", "--run-id", "top", "--input", '{"asks": true}', "--stay", "--json")
    shell.until(
        lambda: statuses(shell).get("top.g1") == "waiting-approval" if (shell.root / ".smithers").exists() else 0,
        "a wait",
    )
    os.kill(begun.pid, signal.SIGINT)

    left = shell.result(begun)

    assert (left.status, left.json["runId"]) == (130, "top.g1"), left.err


@pytest.mark.feature("subflow.lineage", "continueasnew.identity")
def test_a_cancel_of_the_parent_reaches_the_run_that_goes_on_for_its_child(shell: Shell) -> None:
    shell.write("counting.py", COUNTING)
    shell.write("parent.py", PARENT)
    left = shell.call("up", "parent.py", "--run-id", "top", "--json")
    assert left.status == 3, left.err
    asked = next(one for one in left.json["reasons"] if one["kind"] == "approval")
    assert asked["runId"] == "top.part.1.g1"

    assert shell.call("cancel", "top").status == 2
    ended = shell.call("up", "--resume", "top", "--json")

    assert (ended.status, ended.json["status"]) == (2, "cancelled"), ended.err
    assert statuses(shell) == {"top.part.1.g1": "cancelled", "top.part.1": "continued", "top": "cancelled"}
