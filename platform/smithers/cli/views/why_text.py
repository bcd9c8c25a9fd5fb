"""Reasons as lines of text."""

from __future__ import annotations

from typing import Final

from smithers.cli.views.why import Why
from smithers.views.reasons import Reason
from smithers.views.times import now_ms, span

SYMBOLS: Final = {
    "task": "→",
    "queue": "○",
    "subflow": "→",
    "backoff": "↻",
    "timer": "⏱",
    "turn": "⧗",
    "cap": "⧗",
    "budget": "⧗",
    "dependency": "·",
    "order": "·",
    "failure": "✗",
    "code": "✗",
    "old-code": "!",
    "worker": "!",
    "plan": "○",
    "more": " ",
}
UNTIMED: Final = ("task", "failure")
"""Their text says how long, or it does not matter."""


def told(why: Why) -> list[str]:
    lines = [f"{why.run.run_id} ({why.run.workflow}): {why.summary}"]
    if why.code is not None and why.code.standing == "hosted":
        lines += ["", f"code {why.code.text}"]
    for reason in why.reasons:
        lines += ["", *told_reason(reason)]
    return lines


def told_reason(reason: Reason) -> list[str]:
    first, *rest = reason.text.splitlines()
    is_timed = reason.since_ms and reason.kind not in UNTIMED
    since = f" (for {span(now_ms() - reason.since_ms)})" if is_timed else ""
    lines = [f"{SYMBOLS.get(reason.kind, '⏸')} {first}{since}", *(f"  {line}" for line in rest)]
    if reason.unblock:
        lines.append(f"  to go on: {reason.unblock}")
    if reason.command:
        lines.append(f"    {reason.command}")
    return lines
