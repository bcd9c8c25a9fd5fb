"""An event as one line of text."""

from __future__ import annotations

from typing import Any, Final

from smithers.engine.chronicle import Event
from smithers.views.nodes import named, told_error
from smithers.views.times import offset

SYMBOLS: Final = {
    "NodeStarted": "→",
    "NodeFinished": "✓",
    "ChildRunFinished": "✓",
    "RunFinished": "✓",
    "ApprovalGranted": "✓",
    "NodeFailed": "✗",
    "RunFailed": "✗",
    "ApprovalDenied": "✗",
    "ApprovalAutoApproved": "✓",
    "ApprovalVoted": "✓",
    "ApprovalExpired": "✗",
    "ApprovalReminded": "⏱",
    "ApprovalEscalated": "⏱",
    "ApprovalDelegated": "→",
    "AnswerRefused": "✗",
    "RenderFailed": "✗",
    "WorkerDied": "✗",
    "NodeRetrying": "↻",
    "RetryTaskStarted": "↻",
    "NodeWaitingApproval": "⏸",
    "ApprovalRequested": "⏸",
    "NodeWaitingTimer": "⏱",
    "TimerCreated": "⏱",
    "TimerFired": "⏱",
    "NodeWaitingEvent": "⏸",
    "NodeWaitingQueue": "⧗",
    "SignalReceived": "✉",
    "WorkflowReloaded": "⟳",
    "RunPaused": "⏸",
    "RunUnpaused": "→",
    "RunContinuedAsNew": "↪",
}
MOST_TEXT: Final = 240
"""Of a field in a line (cli.evfmt.truncate)."""


TECHNICAL: Final = ("frameHash",)
"""Fields that tell a person nothing."""


def event_line(event: Event, start_ms: int) -> str:
    parts = [f"[{offset(event.at_ms - start_ms)}]", SYMBOLS.get(event.type, "·"), event.type]
    if event.node:
        parts.append(named(event.node, event.iteration))
    if event.attempt > 1:
        parts.append(f"attempt {event.attempt}")
    shown = {name: value for name, value in event.fields.items() if name not in TECHNICAL}
    parts += [f"{name}={cut(value)}" for name, value in shown.items() if value not in (None, "", [], {})]
    return " ".join(parts)


def cut(value: Any) -> str:
    text = told_error(value) if isinstance(value, dict) and "message" in value else str(value)  # pyright: ignore[reportUnknownArgumentType]
    text = text.replace("\n", " ")
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "..."
