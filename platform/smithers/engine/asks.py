"""What is asked of people: the request as they see it, and what an answer, or none in time, makes of its node.

The request is written into the node's row when it is asked, whole: who answers needs neither the workflow's code nor
a worker. `engine/answer.py` holds an answer against it before it is stored. What only the author's model can tell (its
own validators) is looked at by the plan that follows, which asks once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from smithers.engine.entry import Json
from smithers.engine.state import NodeMemory
from smithers.flow.approval import Approval, ApprovalRanking, ApprovalSelection, Decision
from smithers.flow.human import HumanTask, form_of
from smithers.flow.policy import UNLIMITED, Duration, duration, milliseconds
from smithers.flow.stored import read_back
from smithers.flow.task import Task

Ask = Approval | HumanTask[Any]
AUTOMATIC: Final = Decision(approved=True, note="auto-approved").model_dump()
"""The output of an approval that asks nobody."""
UNANSWERED: Final = Decision(approved=False, note="nobody decided in time").model_dump()
BY_DEFAULT: Final = "by default: nobody decided in time"
EXHAUSTED: Final = "HUMAN_ATTEMPTS_EXHAUSTED"


def gate(task: Task[Any]) -> Approval:
    """What is asked before a task that needs an approval (components-task: needsApproval)."""
    return Approval(
        task.id,
        title=task.label or task.id,
        label=task.label,
        meta=task.meta,
        timeout=task.approval_timeout,
        on_timeout=task.on_approval_timeout,
        remind_after=task.remind_after,
        reminders=task.reminders,
        escalate_after=task.escalate_after,
        escalate_to=task.escalate_to,
        escalate_to_scopes=task.escalate_to_scopes,
    )


def is_gated(element: object, memory: NodeMemory | None) -> bool:
    """Whether a task must still be approved before it begins."""
    if not isinstance(element, Task) or not element.needs_approval:
        return False
    task = cast("Task[Any]", element)
    return memory is None or memory.decision is None or judge_gate(task, memory.decision) != "finished"


def judge_gate(task: Task[Any], decision: Json) -> str:
    """What a decision makes of the task that it is asked for: `finished`, and it begins; skipped or failed."""
    if decision["approved"]:
        return "finished"
    return OUTCOMES[task.on_approval_timeout] if decision.get("expired") else "failed"


def request(element: Ask, memory: NodeMemory | None) -> Json:
    """What people are shown, and what an answer is held against. What is as usual is left out."""
    about: Json = about_approval(element) if isinstance(element, Approval) else about_task(element)
    more: Json = {
        "allowed_users": list(element.allowed_users or ()),
        "allowed_scopes": list(element.allowed_scopes or ()),
        "timeout_ms": timeout_ms(element),
        "on_timeout": element.on_timeout if element.timeout is not None else "",
        "remind_after_ms": span_ms(element.remind_after),
        "reminders": element.reminders if element.remind_after is not None else 0,
        "escalate_after_ms": span_ms(element.escalate_after),
        "escalate_to": list(element.escalate_to or ()),
        "escalate_to_scopes": list(element.escalate_to_scopes or ()),
        "ask": memory.ask if memory is not None and memory.ask > 1 else 0,
        "refusals": memory.refusals if memory is not None else 0,
        "complaint": memory.complaint if memory is not None else None,
    }
    return about | {name: value for name, value in more.items() if value}


def about_approval(approval: Approval) -> Json:
    more: Json = {
        "mode": approval.mode if approval.mode != "approve" else "",
        "options": [
            {"key": one.key, "label": one.label, "summary": one.summary, "metadata": dict(one.metadata)}
            for one in approval.choices
        ],
        "metadata": {**approval.meta, **approval.metadata},
        "quorum": approval.quorum if approval.quorum > 1 else 0,
        "auto_after": (approval.auto_approve and approval.auto_approve.after) or 0,
        "unaudited": approval.auto_approve is not None and not approval.auto_approve.audit,
    }
    return {"title": approval.title, "summary": approval.summary, **{k: v for k, v in more.items() if v}}


def about_task(task: HumanTask[Any]) -> Json:
    return {
        "title": label_of(task),
        "summary": "",
        "mode": "human",
        "prompt": task.prompt,
        "output": task.output.__name__,
        "schema": form_of(task.output),
        "max_attempts": task.max_attempts,
        "metadata": {"humanTask": True, "maxAttempts": task.max_attempts, "prompt": task.prompt, **task.meta},
    }


def label_of(element: Ask) -> str:
    if isinstance(element, HumanTask):
        return element.label or f"human:{element.id}"
    return element.label or element.title


def judge_ask(element: Ask, decision: Json) -> str:
    """finished, skipped or failed: what the decision makes of the node. `fresh` where it has yet to be looked at."""
    if decision.get("expired") and element.on_timeout != "deny":
        return OUTCOMES[element.on_timeout]
    if decision["approved"]:
        return "fresh" if isinstance(element, HumanTask) else "finished"
    return OUTCOMES[element.on_deny] if isinstance(element, Approval) else "failed"


OUTCOMES: Final = {
    "fail": "failed",
    "continue": "finished",
    "skip": "skipped",
    "approve": "finished",
    "default": "finished",
}


def without_answer(element: Ask) -> Json:
    """The output of a question that nobody has answered in time, and that is done nevertheless."""
    if isinstance(element, HumanTask):
        assert element.default is not None
        return element.default.model_dump(mode="json")
    match element.on_timeout, element.mode:
        case "approve", _:
            return Decision(approved=True, note=f"approved {BY_DEFAULT}").model_dump()
        case "default", "select":
            return ApprovalSelection(selected=str(element.default), notes=f"chosen {BY_DEFAULT}").model_dump()
        case "default", _:
            return ApprovalRanking(ranked=list(element.default or ()), notes=f"ranked {BY_DEFAULT}").model_dump()
        case _:
            return UNANSWERED


def asks_again(element: object, memory: NodeMemory | None) -> bool:
    """Whether an answer that would fail an approval is not the last one. What a plan has ended asks nobody."""
    if not isinstance(element, Approval) or memory is None or memory.decision is None:
        return False
    if memory.outcome in ("skipped", "cancelled"):
        return False
    left = element.retries == UNLIMITED or memory.refusals < element.retries
    return left and judge_ask(element, memory.decision) == "failed"


def why_failed(element: Ask, decision: Json) -> Json:
    """An error for people."""
    what = repr(label_of(element) or element.id)
    if decision.get("expired"):
        return {"code": "APPROVAL_TIMEOUT", "message": f"nobody answered {what} within {element.timeout}"}
    note = f": {decision['note']}" if decision.get("note") else ""
    by = decision.get("by") or "somebody"
    if decision.get("exhausted"):
        return {"code": EXHAUSTED, "message": exhausted(what, int(decision["exhausted"]), note)}
    if isinstance(element, HumanTask):
        return {"code": "HUMAN_TASK_CANCELLED", "message": f"{by} cancelled {what}{note}"}
    return {"code": "APPROVAL_DENIED", "message": f"{by} denied {what}{note}"}


def exhausted(what: str, answers: int, last: str) -> str:
    return f"{answers} answers to {what} did not fit, and it is not asked again{last}"


@dataclass(frozen=True, slots=True)
class Unfit:
    """An answer that its model does not take."""

    text: str
    fields: tuple[str, ...]


def taken(task: HumanTask[Any], value: Any) -> Json | Unfit:
    """The answer as the output model has it, defaults filled in."""
    try:
        model: BaseModel = read_back(task.output, value)
    except ValidationError as error:
        problems = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
        text = "; ".join(f"{field or 'the answer'}: {message}" for field, message in problems)
        return Unfit(text, tuple(field for field, _ in problems))
    return model.model_dump(mode="json")


def timeout_ms(element: Ask) -> int:
    return span_ms(element.timeout)


def span_ms(span: Duration | None) -> int:
    return 0 if span is None else milliseconds(duration(span, "span"))
