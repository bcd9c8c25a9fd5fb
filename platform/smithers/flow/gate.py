"""A gate asks a person only where that is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smithers.flow.approval import Approval, Decision, OnDeny, OnTimeout
from smithers.flow.element import check_condition
from smithers.flow.policy import Duration
from smithers.flow.task import Task

AUTOMATIC = Decision(approved=True, note="auto-approved")
"""The output of a gate that asks nobody."""


def ApprovalGate(  # noqa: N802  reads as an element  # shape: parameters: the reference's props
    id: str,
    *,
    when: object,
    title: str = "",
    summary: str = "",
    metadata: Mapping[str, Any] | None = None,
    on_deny: OnDeny = "fail",
    allowed_users: Sequence[str] | None = None,
    allowed_scopes: Sequence[str] | None = None,
    timeout: Duration | None = None,
    on_timeout: OnTimeout = "fail",
    retries: int = 0,
    remind_after: Duration | None = None,
    reminders: int = 1,
    escalate_after: Duration | None = None,
    escalate_to: Sequence[str] | None = None,
    escalate_to_scopes: Sequence[str] | None = None,
    continue_on_fail: bool = False,
    skip_if: bool = False,
) -> Approval | Task[Decision]:
    """An approval if `when` holds; else a task that approves at once (components-approval-gate).

    Its output is a `Decision` on either path. The condition is looked at whenever the part around it renders. What is
    said of people and times means what it does for an `Approval`, and is refused on either path where that refuses it.
    """
    check_condition(when, f"ApprovalGate({id!r}): when")
    asks = Approval(
        id,
        title=title,
        summary=summary,
        metadata=metadata or {},
        on_deny=on_deny,
        allowed_users=allowed_users,
        allowed_scopes=allowed_scopes,
        timeout=timeout,
        on_timeout=on_timeout,
        retries=retries,
        remind_after=remind_after,
        reminders=reminders,
        escalate_after=escalate_after,
        escalate_to=escalate_to,
        escalate_to_scopes=escalate_to_scopes,
        continue_on_fail=continue_on_fail,
        skip_if=skip_if,
    )
    return asks if when else Task(id, output=Decision, skip_if=skip_if, label=title)[AUTOMATIC]
