"""What the log makes of a leaf: whether it is over, and how, or what it needs next."""

from __future__ import annotations

from typing import Final

from smithers.engine.asks import Ask, gate, is_gated, judge_ask, judge_gate, why_failed
from smithers.engine.deaths import MOST_DEATHS, killed
from smithers.engine.entry import Json
from smithers.engine.mounts import LeafElement
from smithers.engine.state import NodeMemory
from smithers.flow.approval import Approval
from smithers.flow.human import HumanTask
from smithers.flow.policy import UNLIMITED
from smithers.flow.task import Task

OVER: Final = ("finished", "skipped", "cancelled", "failed")


def judge(element: LeafElement, memory: NodeMemory | None) -> str:
    """finished, skipped, cancelled, failed: over. running: a command is open. fresh, retry: to be started.

    A wait for an event is fresh until it is over: its open command is only its deadline. What a plan has ended stays
    so: an answer may have been stored before the frame that says it, and behind what that covers.
    """
    if memory is None:
        return "fresh"
    if memory.outcome in ("skipped", "cancelled"):
        return memory.outcome
    if memory.decision is not None and isinstance(element, (Approval, HumanTask)):
        return judge_decision(element, memory)
    if memory.decision is not None and isinstance(element, Task) and is_gated(element, memory):
        return judge_gate(element, memory.decision)
    if memory.outcome:
        return memory.outcome
    if memory.n and memory.waits is None:
        return "running"
    if memory.deaths >= MOST_DEATHS:
        return "failed"
    if memory.error is not None:
        return judge_failure(element, memory)
    return "fresh"


def judge_decision(element: Ask, memory: NodeMemory) -> str:
    """A human task is over once its answer was taken; an approval once it was given."""
    assert memory.decision is not None
    verdict = judge_ask(element, memory.decision)
    return memory.outcome if verdict == "fresh" and memory.outcome else verdict


def judge_failure(element: LeafElement, memory: NodeMemory) -> str:
    error = memory.error or {}
    if not isinstance(element, Task) or not error.get("retryable", True):
        return "failed"
    left = element.retries == UNLIMITED or memory.failures <= element.retries
    return "retry" if left else "failed"


def reason(element: LeafElement, memory: NodeMemory) -> Json:
    """Why a failed leaf failed, as an error for people."""
    if isinstance(element, (Approval, HumanTask)) and memory.decision is not None:
        return why_failed(element, memory.decision)
    if memory.decision is not None and isinstance(element, Task) and is_gated(element, memory):
        return why_failed(gate(element), memory.decision)
    if memory.error is not None:
        return memory.error
    return killed(memory.deaths)
