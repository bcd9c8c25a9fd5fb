"""What the log makes of a leaf: whether it is over, and how, or what it needs next."""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import Json
from smithers.engine.mounts import LeafElement
from smithers.engine.state import NodeMemory
from smithers.flow.policy import UNLIMITED
from smithers.flow.task import Task
from smithers.flow.wait import Approval

MOST_DEATHS: Final = 3
"""How often a task may take its process with it before it fails (design: deaths are counted in the store)."""


def judge(element: LeafElement, memory: NodeMemory | None) -> str:
    """finished, skipped, cancelled, failed: over. running: a command is open. fresh, retry: to be started.

    A wait for an event is fresh until it is over: its open command is only its deadline.
    """
    if memory is None:
        return "fresh"
    if isinstance(element, Approval) and memory.decision is not None:
        return judge_decision(element, memory.decision)
    if memory.outcome:
        return memory.outcome
    if memory.n and memory.waits is None:
        return "running"
    if memory.deaths >= MOST_DEATHS:
        return "failed"
    if memory.error is not None:
        return judge_failure(element, memory)
    return "fresh"


def judge_decision(approval: Approval, decision: Json) -> str:
    if decision["approved"] or approval.on_deny == "continue":
        return "finished"
    return "skipped" if approval.on_deny == "skip" else "failed"


def judge_failure(element: LeafElement, memory: NodeMemory) -> str:
    error = memory.error or {}
    if not isinstance(element, Task) or not error.get("retryable", True):
        return "failed"
    left = element.retries == UNLIMITED or memory.failures <= element.retries
    return "retry" if left else "failed"


def reason(element: LeafElement, memory: NodeMemory) -> Json:
    """Why a failed leaf failed, as an error for people."""
    if isinstance(element, Approval) and memory.decision is not None:
        decision = memory.decision
        note = f": {decision['note']}" if decision.get("note") else ""
        by = decision.get("by") or "somebody"
        return {"code": "APPROVAL_DENIED", "message": f"{by} denied {element.title or element.id!r}{note}"}
    if memory.error is not None:
        return memory.error
    return {
        "code": "KILLED_WORKER",
        "message": f"its process died {memory.deaths} times while this task ran; it is not tried again",
    }
