"""Approvals and human tasks that make no sense are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, ApprovalGate, ApprovalOption, AutoApprove, HumanTask, Task
from smithers.errors import InvalidElement


class Out(BaseModel):
    n: int = 0


def gated(**props: Any) -> Task[Out]:
    return Task("a", output=Out, needs_approval=True, **props)


LATE: Any = {"timeout": "1h", "on_timeout": "default"}


@pytest.mark.feature("approval.options")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: Approval("a", mode="choose"), "mode='choose': use approve, select or rank"),  # type: ignore[arg-type]
        (lambda: Approval("a", mode="select"), "needs at least two options"),
        (
            lambda: Approval("a", mode="select", options=[{"key": "x"}, {"key": "y"}]),  # type: ignore[list-item]
            "options={'key': 'x'}: give a list",
        ),
        (lambda: Approval("a", mode="select", options="xy"), "options='xy': give a list of keys"),
        (lambda: Approval("a", options=["x", "y"]), 'has options, but mode="approve"'),
        (lambda: Approval("a", mode="rank", options=["x", "x"]), "the option 'x' is given twice"),
        (lambda: Approval("a", mode="rank", options=["x", "y"], on_deny="continue"), "on_deny='continue' has no value"),
        (lambda: Approval("a", allowed_users="ann"), "give a list of names"),
        (lambda: Approval("a", allowed_scopes="ops"), "allowed_scopes='ops': give a list of names"),
        (lambda: HumanTask("a", output=Out, prompt="?", allowed_users="ann"), "allowed_users='ann': give a list of"),
        (lambda: HumanTask("a", output=Out, prompt="?", allowed_scopes="ops"), "allowed_scopes='ops': give a list of"),
        (lambda: Approval("a", allowed_users=[]), "nobody may decide"),
        (lambda: Approval("a", quorum=0), "quorum=0"),
        (lambda: Approval("a", quorum=2, allowed_users=["ann"]), "cannot be reached"),
        (lambda: Approval("a", quorum=2, mode="select", options=["x", "y"]), "needs mode='approve'"),
        (lambda: Approval("a", timeout="0s"), "leaves no time"),
        (lambda: Approval("a", metadata={"x": object()}), "metadata is not JSON"),
        (lambda: Approval("a", metadata={"x": float("inf")}), "metadata is not JSON"),
        (lambda: ApprovalOption("x", metadata={"x": object()}), "ApprovalOption('x'): metadata is not JSON"),
        (lambda: Approval("a", on_timeout="wait"), "on_timeout='wait'"),  # type: ignore[arg-type]
        (lambda: Approval("a", retries=-2), "retries=-2"),
        (lambda: Approval("a", retries=1, on_deny="skip"), "no answer fails it"),
        (lambda: Approval("a", mode="select", options=["x", "y"], on_timeout="approve"), "on_timeout='approve' needs"),
        (lambda: Approval("a", on_timeout="approve"), "on_timeout='approve' never comes"),
        (lambda: Approval("a", on_timeout="skip"), "on_timeout='skip' never comes"),
        (lambda: HumanTask("a", output=Out, prompt="?", on_timeout="skip"), "on_timeout='skip' never comes"),
        (lambda: Approval("a", timeout="1h", on_timeout="default"), "give both or none"),
        (lambda: Approval("a", timeout="1h", default="x"), "give both or none"),
        (lambda: Approval("a", timeout="1h", on_timeout="default", default="x"), "default is for choices"),
        (lambda: Approval("a", mode="select", options=["x", "y"], default="z", **LATE), "default='z' is no option"),
        (lambda: Approval("a", mode="rank", options=["x", "y"], default=["x"], **LATE), "name every option once"),
        (lambda: Approval("a", mode="rank", options=["x", "y"], default="xy", **LATE), "name every option once"),
        (lambda: HumanTask("a", output=Out, prompt="?", default=Out()), "give both or none"),
        (lambda: HumanTask("a", output=Out, prompt="?", default=Out(), on_timeout="default"), "never comes"),
        (lambda: HumanTask("a", output=Out, prompt="?", default=LATE, **LATE), "is no Out"),
        (lambda: Approval("a", remind_after="0s"), "remind_after='0s' leaves no time"),
        (lambda: Approval("a", remind_after="1h", reminders=0), "reminders=0: give how often"),
        (lambda: Approval("a", remind_after="1h", reminders=True), "reminders=True: give how often"),
        (lambda: Approval("a", reminders=2), "reminders=2 needs remind_after"),
        (lambda: Approval("a", remind_after="1h", timeout="1h"), "the reminder would come after 1:00:00"),
        (
            lambda: Approval("a", remind_after="1h", reminders=3, timeout="3h"),
            "the last of 3 reminders would come after",
        ),
        (lambda: Approval("a", escalate_to=["boss"]), "escalate_to needs escalate_after"),
        (lambda: Approval("a", escalate_to_scopes=["ops"]), "escalate_to_scopes needs escalate_after"),
        (lambda: Approval("a", escalate_after="1h"), "escalate_after needs escalate_to"),
        (lambda: Approval("a", escalate_after="0s", escalate_to=["boss"]), "escalate_after='0s' leaves no time"),
        (lambda: Approval("a", escalate_after="2h", escalate_to=["boss"], timeout="1h"), "never comes"),
        (lambda: Approval("a", escalate_after="1h", escalate_to="boss"), "give a list of names"),
        (
            lambda: Approval("a", allowed_users=["ann", "bob"], escalate_after="1h", escalate_to=["bob"]),
            "everybody in escalate_to is in allowed_users already",
        ),
        (lambda: HumanTask("a", output=Out, prompt="?", remind_after="2h", timeout="1h"), "would come after 2:00:00"),
        (lambda: HumanTask("a", output=Out, prompt="?", escalate_to=["boss"]), "needs escalate_after"),
        (lambda: ApprovalGate("a", when=True, reminders=2), "reminders=2 needs remind_after"),
        (lambda: Task("a", output=Out, remind_after="1h"), "needs_approval=True is missing"),
        (lambda: Task("a", output=Out, needs_approval=True, escalate_after="1h"), "say who may decide then"),
        (lambda: Task("a", output=Out, approval_timeout="1h"), "needs_approval=True is missing"),
        (lambda: Task("a", output=Out, on_approval_timeout="skip"), "needs_approval=True is missing"),
        (lambda: gated(on_approval_timeout="approve"), "on_approval_timeout='approve' never comes"),
        (lambda: gated(approval_timeout="1h", on_approval_timeout="deny"), "use fail, skip or approve"),
        (lambda: gated(approval_timeout="0s"), "approval_timeout='0s' leaves no time"),
        (lambda: gated(approval_timeout="soon"), "approval_timeout='soon' is not a duration"),
        (
            lambda: gated(approval_timeout="1h", remind_after="1h"),
            "the reminder would come after 1:00:00, but nobody is asked any more after approval_timeout, 1:00:00",
        ),
        (
            lambda: gated(approval_timeout="1h", escalate_after="2h", escalate_to=["boss"]),
            "escalate_after='2h' never comes: nobody is asked any more after approval_timeout",
        ),
        (lambda: ApprovalGate("a", when=True, allowed_users="ann"), "give a list of names"),
        (lambda: ApprovalGate("a", when=False, allowed_scopes=[]), "nobody may decide"),
        (
            lambda: ApprovalGate("a", when=False, allowed_users=["ann"], escalate_after="1h", escalate_to=["ann"]),
            "everybody in escalate_to is in allowed_users already",
        ),
        (lambda: AutoApprove(after=0), "AutoApprove(after=0)"),
        (lambda: HumanTask("a", output=int, prompt="?"), "is not a pydantic model class"),  # type: ignore[type-var]
        (lambda: HumanTask("a", output=Out, prompt=" "), "say in words"),
        (lambda: HumanTask("a", output=Out, prompt="?", max_attempts=0), "max_attempts=0"),
        (lambda: HumanTask("a", output=Out, prompt="?", on_timeout="continue"), "use fail, skip or default"),  # type: ignore[arg-type]
        (lambda: HumanTask("a", output=Out, prompt="?")["x"], "takes no children"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(write: Any, message: str) -> None:
    with pytest.raises(InvalidElement) as refused:
        write()

    assert message in refused.value.message
    assert __file__ in refused.value.message
