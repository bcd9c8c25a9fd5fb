"""What a run waits for, since when, who can end it, and with which command: as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import Approval, Context, HumanTask, Parallel, Sequence, Task, Timer, WaitForEvent, workflow
from smithers.engine.answer import Answer
from smithers.engine.command import ESCALATION
from smithers.flow.workflow import AnyWorkflow
from smithers.store.deciding import delegate
from tests.unit.cli.flows import Text, followed, work
from tests.unit.cli.stage import Stage
from tests.unit.cli.test_following_up_commands import fire

pytestmark = pytest.mark.decision("0028")


@workflow
def several(ctx: Context[None]):
    return Parallel[
        Approval("ship", title="Ship it?", timeout="2h", on_timeout="deny"),
        HumanTask("review", output=Text, prompt="Read it.", timeout="1d", on_timeout="skip"),
        Task("gated", output=Text, needs_approval=True, approval_timeout="3h", on_approval_timeout="approve")[work],
        WaitForEvent("deploy", event="deployed", output=Text, timeout="40m", on_timeout="continue"),
        Timer("nap", duration="3h"),
    ]


@workflow
def beside(ctx: Context[None]):
    return Parallel[Approval("ship", title="Ship it?"), Task("build", output=Text)[work]]


@workflow
def napping(ctx: Context[None]):
    return Sequence[Timer("nap", duration="2h"), Task("after", output=Text)[work]]


@workflow
def listening(ctx: Context[None]):
    return WaitForEvent("deploy", event="deployed", output=Text)


@pytest.mark.parametrize("command", ["why", "inspect"])
def test_each_wait_says_since_when_until_when_and_what_happens_then(stage: Stage, command: str) -> None:
    stage.start(several, "r1")

    said = stage.call(command, "r1").out

    blocks = {block.split()[1]: block for block in said.split("\n\n") if block[:1] in "⏸⏱"}
    assert set(blocks) >= {"ship", "review", "gated", "deploy", "nap"}
    for node, then, how in (
        ("ship", "(then it counts as denied)", "smithers approve r1 ship"),
        ("review", "(then it is skipped)", """human answer human:r1:review:0 --value '{"text": ...}'"""),
        ("gated", "(then it counts as approved)", "smithers approve r1 gated"),
        ("deploy", "(then it goes on without)", "smithers signal r1 deployed"),
        ("nap", "it fires in 2h 59m", "to go on: its time comes"),
    ):
        first = blocks[node].splitlines()[0]
        assert "(for " in first, "since when"
        assert then in blocks[node]
        assert how in blocks[node]


def test_why_names_everything_that_is_waited_for(stage: Stage) -> None:
    stage.start(several, "r1")
    assert stage.call("why", "r1", "--json").json["summary"] == "It waits for a person, an event, a time and a worker."


def test_a_question_beside_work_is_told_and_the_work_is_too(stage: Stage) -> None:
    stage.start(beside, "r1")
    stage.claim("r1", "build")

    assert (
        stage.call("why", "r1")
        .out.splitlines()[0]
        .endswith("It is running: tasks are at work. It waits for a person and a worker, too.")
    )
    [run] = stage.call("ps", "--json").json["runs"]
    assert (run["status"], run["step"], run["asks"]) == ("running", "build", ["ship"])
    assert "build; asks ship" in stage.call("ps").out


@pytest.mark.parametrize(
    ("flow", "step", "detail"),
    [(napping, "nap", "1h 59m left"), (listening, "deploy", "event deployed"), (followed, "ship", '"Ship it?"')],
    ids=["timer", "event", "person"],
)
def test_ps_says_what_a_run_waits_for(stage: Stage, flow: AnyWorkflow, step: str, detail: str) -> None:
    stage.start(flow, "r1")

    [run] = stage.call("ps", "--json").json["runs"]

    assert (run["step"], run["waitsFor"], run["asks"]) == (step, detail, [])
    assert f"{step} ({detail})" in stage.call("ps").out


@pytest.mark.parametrize("words", [("why", "r1"), ("inspect", "r1"), ("human", "inbox")], ids=lambda words: words[0])
def test_those_are_named_who_may_answer_by_now(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start(followed, "r1")
    assert "for ann or bob" in stage.call(*words).out

    fire(stage, ESCALATION)
    row = stage.store.node("r1", "ship", "")
    assert delegate(stage.store, "r1", row, Answer(True, "ann", "yours"), "cid") is not None

    out = stage.call(*words).out
    assert "for bob, cid or boss" in out
    assert "2 people must approve, 0 so far" in out


def test_programs_see_what_happens_when_nobody_answers(stage: Stage) -> None:
    stage.start(several, "r1")
    found: list[Any] = stage.call("human", "inbox", "--json").json["requests"]
    assert {one["nodeId"]: one["onTimeout"] for one in found} == {"ship": "deny", "review": "skip", "gated": "approve"}
