"""Workflows that the command line's tests show."""

from __future__ import annotations

from pydantic import BaseModel, field_validator

from smithers import (
    Approval,
    ApprovalOption,
    AutoApprove,
    Context,
    HumanTask,
    Loop,
    Parallel,
    Sequence,
    Signal,
    Task,
    Timer,
    WaitForEvent,
    workflow,
)


class Text(BaseModel):
    text: str = ""


def work() -> Text:
    return Text(text="done")


@workflow
def release(ctx: Context[None]):
    return Sequence[
        Task("build", output=Text)[work],
        Approval("publish", title="Ship it?"),
        Task("tag", output=Text)[work],
    ]


@workflow
def two_gates(ctx: Context[None]):
    return Parallel[Approval("legal", title="Legal is fine?"), Approval("budget")]


@workflow
def polish(ctx: Context[None]):
    return Loop("rounds", until=lambda: ctx.iteration_count("review") >= 2)[Task("review", output=Text)[work]]


@workflow
def nap(ctx: Context[None]):
    return Sequence[Timer("sleep", duration="1h"), Task("after", output=Text)[work]]


class Review(BaseModel):
    score: int
    words: str = "none"


@workflow
def reviewed(ctx: Context[None]):
    return Sequence[
        HumanTask("review", output=Review, prompt="How good is it?\nBe strict.", max_attempts=2, timeout="1h"),
        Task("after", output=Text)[work],
    ]


@workflow
def planned(ctx: Context[None]):
    plans = (ApprovalOption("fast", label="The fast one", summary="costs more"), ApprovalOption("safe"))
    return Sequence[
        Approval("plan", title="Which?", summary="They differ.", mode="select", options=plans, metadata={"cost": 7}),
        Approval("order", title="In which order?", mode="rank", options=("a", "b", "c")),
    ]


@workflow
def labelled(ctx: Context[None]):
    return Approval("ship", title="Ship it?", label="shipping")


@workflow
def guarded(ctx: Context[None]):
    return Approval("ship", title="Ship it?", quorum=2, allowed_users=["ann", "bob", "cid"], allowed_scopes=["ops"])


@workflow
def followed(ctx: Context[None]):
    later = {"remind_after": "1h", "reminders": 2, "escalate_after": "2h", "escalate_to": ["boss"]}
    return Approval("ship", title="Ship it?", quorum=2, allowed_users=["ann", "bob"], timeout="9h", **later)


@workflow
def automatic(ctx: Context[None]):
    return Approval("ship", title="Ship it?", auto_approve=AutoApprove(condition=True))


class Strict(BaseModel):
    score: int

    @field_validator("score")
    @classmethod
    def is_even(cls, score: int) -> int:
        if score % 2:
            raise ValueError("odd scores are not given")
        return score


@workflow
def strict(ctx: Context[None]):
    return HumanTask("review", output=Strict, prompt="?")


@workflow
def rounds(ctx: Context[None]):
    return Loop("turns", until=lambda: False, max_iterations=2)[Approval("ask", title="Go on?")]


class Deploy(BaseModel):
    sha: str
    tries: int = 0


@workflow
def awaiting(ctx: Context[None]):
    return Sequence[
        WaitForEvent("deploy", event="deploy.completed", correlation_id="pr-7", output=Deploy, timeout="1h"),
        Signal("feedback", output=Deploy)[lambda feedback: Task("told", output=Text)[Text(text=feedback.sha)]],
    ]
