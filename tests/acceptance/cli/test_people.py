"""People answer real runs: while a worker lives, with nothing running, too late, and wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.cli.running import Shell

FLOW = """
from pydantic import BaseModel, field_validator
from smithers import Approval, ApprovalSelection, Context, HumanTask, Sequence, Task, call, workflow


class Review(BaseModel):
    score: int
    words: str = "none"

    @field_validator("score")
    @classmethod
    def is_even(cls, score: int) -> int:
        if score % 2:
            raise ValueError("odd scores are not given")
        return score


class Text(BaseModel):
    text: str


def say(text: str) -> Text:
    return Text(text=text)


@workflow
def reviewed(ctx: Context[None]):
    def follow():
        review = ctx.output(Review, "review")
        chosen = ctx.output(ApprovalSelection, "plan").selected
        return Task("told", output=Text)[call(say, f"{review.score} {review.words} {chosen}")]

    return Sequence[
        HumanTask("review", output=Review, prompt="How good is it?"),
        Approval("plan", title="Which?", mode="select", options=["fast", "safe"]),
        follow,
    ]
"""
IN_TIME = """
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, workflow


class Text(BaseModel):
    text: str = "after"


@workflow
def hurried(ctx: Context[None]):
    return Sequence[Approval("ship", timeout="2s", on_timeout="skip"), Task("after", output=Text)[Text()]]
"""


@pytest.mark.feature("humantask.no-poll")
@pytest.mark.feature("humantask.suspend", "cli.human.answer-resume", "humantask.invalid-retry", "hitl.channels")
def test_a_run_in_the_background_goes_on_with_each_answer(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")

    def inbox() -> list[str]:
        return [one["nodeId"] for one in shell.call("human", "inbox", "--json").json["requests"]]

    shell.until(lambda: inbox() == ["review"], "the human task waits")
    assert shell.call("human", "answer", "r1", "--value", '{"score": "high"}').status == 4
    assert shell.call("human", "answer", "r1", "--value", '{"score": 3}').status == 0
    shell.until(lambda: "odd scores are not given" in shell.call("why", "r1").out, "it asks again")
    answered = shell.call("human", "answer", "human:r1:review:0", "--value", '{"score": 4}', "--json")
    shell.until(lambda: inbox() == ["plan"], "the choice waits")
    shell.call("approve", "r1", "--choice", "safe")
    shell.until(lambda: shell.status("r1") == "finished", "it finishes")

    assert (answered.status, answered.json["woken"]) == (0, True)
    assert shell.call("output", "r1", "told", "--json").json == {"text": "4 none safe"}


@pytest.mark.feature("hitl.multi-step.resume", "approvals.no-memory-wait")
@pytest.mark.feature("humantask.durable", "approvals.suspend")
def test_with_nothing_running_answers_are_kept_for_whoever_goes_on(shell: Shell) -> None:
    shell.write("flow.py", FLOW)

    waiting = shell.call("up", "flow.py", "--run-id", "r1")
    assert waiting.status == 3
    assert """smithers human answer human:r1:review:0 --value '{"score": ...}'""" in waiting.err
    answered = shell.call("human", "answer", "r1", "--value", '{"score": 2}', "--by", "bob", "--resume")
    done = shell.call("approve", "r1", "plan", "--choice", "fast", "--resume")

    assert answered.status == 3
    assert "smithers approve r1 plan --choice fast|safe" in answered.err
    assert (done.status, '"2 none fast"' in done.out) == (0, True)


@pytest.mark.feature("approval.timeoutMs", "approval.durable")
def test_the_end_of_a_wait_is_kept_while_nothing_runs(shell: Shell) -> None:
    shell.write("flow.py", IN_TIME)
    assert shell.call("up", "flow.py", "--run-id", "r1").status == 3

    started = shell.begin("start")
    shell.until(lambda: shell.status("r1") == "finished", "it goes on without an answer")
    late = shell.call("approve", "r1", "ship", "--json")

    assert (late.status, late.error["code"]) == (4, "ALREADY_DECIDED")
    shell.call("stop")
    assert shell.result(started, 20).status == 0


FOLLOWED = """
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, workflow


class Text(BaseModel):
    text: str = "after"


@workflow
def followed(ctx: Context[None]):
    asks = Approval(
        "ship", allowed_users=["ann", "bob"], quorum=2,
        remind_after="300ms", reminders=2, escalate_after="500ms", escalate_to=["boss"],
    )
    return Sequence[asks, Task("after", output=Text)[Text()]]
"""


def test_people_are_reminded_and_others_decide_after_a_while(shell: Shell) -> None:
    shell.write("flow.py", FOLLOWED)
    shell.write("smithers.toml", "[notices]\ncommand = 'cat >> told; echo >> told'\n")
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")

    def asked() -> Any:
        return next(iter(shell.call("human", "inbox", "--json").json["requests"]), {})

    shell.until(lambda: asked().get("escalated") and asked()["reminders"]["count"] == 2, "nobody answers for long")
    early = shell.call("approve", "r1", "ship", "--by", "eve")
    handed = shell.call("human", "delegate", "r1", "ship", "--to", "cid", "--by", "ann")
    late = shell.call("approve", "r1", "ship", "--by", "ann")
    shell.call("approve", "r1", "ship", "--by", "boss")
    back = shell.call("human", "withdraw", "r1", "ship", "--by", "boss")
    assert (early.status, handed.status, late.status, back.status) == (4, 0, 4, 0)
    assert shell.call("approve", "r1", "ship", "--by", "cid", "--json").json["votes"] == 1
    told = shell.root / "told"
    kinds = ("waiting", "reminder", "escalated", "delegated")
    shell.until(
        lambda: told.exists() and all(f'"what": "{kind}"' in told.read_text() for kind in kinds), "people are told"
    )
    shell.call("approve", "r1", "ship", "--by", "boss")
    shell.until(lambda: shell.status("r1") == "finished", "it goes on")

    again = shell.call("human", "withdraw", "r1", "ship", "--by", "cid", "--json")
    assert (again.status, again.error["code"]) == (4, "ALREADY_DECIDED")


BESIDE = """\
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Context, Parallel, Task, workflow

class Text(BaseModel):
    text: str = ""

def wait() -> Text:
    while not Path("go").exists():
        time.sleep(0.02)
    return Text()

@workflow
def beside(ctx: Context[None]):
    return Parallel[Approval("ship", title="Ship it?"), Task("long", output=Text)[wait]]
"""


def test_people_hear_of_a_question_while_other_tasks_run(shell: Shell) -> None:
    shell.write("beside.py", BESIDE)
    shell.write("smithers.toml", "[notices]\ncommand = 'cat >> told; echo >> told'\n")
    shell.call("up", "beside.py", "--detach", "--run-id", "r1")
    told = shell.root / "told"

    shell.until(lambda: told.exists() and told.read_text().endswith("\n"), "somebody is told")

    assert (shell.status("r1"), told.read_text().count('"what": "waiting"')) == ("running", 1)
    assert "long; asks ship" in shell.call("ps").out
    shell.write("go", "")
    shell.call("approve", "r1", "ship")
    shell.until(lambda: shell.status("r1") == "finished", "it goes on")
    assert told.read_text().count('"what": "waiting"') == 1


def test_people_hear_of_a_question_that_up_leaves_at_once(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.write("smithers.toml", "[notices]\ncommand = 'cat >> told; echo >> told'\n")

    for words in (("up", "flow.py", "--run-id", "r1"), ("up", "--resume", "r1")):
        assert shell.call(*words).status == 3
        assert (shell.root / "told").read_text().count('"what": "waiting"') == 1


@pytest.mark.feature("hitl.crash", "approvals.no-memory-wait")
def test_everything_may_be_killed_while_a_person_is_asked(shell: Shell) -> None:
    shell.write("flow.py", FLOW)
    shell.call("up", "flow.py", "--detach", "--run-id", "r1")
    shell.until(lambda: shell.status("r1") == "waiting-approval", "the human task waits")

    shell.close()
    answered = shell.call("human", "answer", "r1", "--value", '{"score": 2}', "--json")
    done = shell.call("up", "--resume", "r1")

    assert (answered.status, answered.json["woken"]) == (0, False)
    assert (done.status, "smithers approve r1 plan" in done.err) == (3, True)
