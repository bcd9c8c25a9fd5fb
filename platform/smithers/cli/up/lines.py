"""Progress as plain lines on standard error, in the reference's style (cli.global.progress)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from smithers.cli.output import OutputClosed, write
from smithers.cli.times import clock, iso, now_ms, span
from smithers.cli.up.model import RunModel, Seen
from smithers.cli.up.screen import Screen
from smithers.cli.views.events import Event
from smithers.cli.views.nodes import told_error


class PlainScreen(Screen):
    """One line per thing that happens, each with the time since the run began."""

    def __init__(self) -> None:
        self.start_ms = now_ms()
        self.gone = False

    def begin(self, model: RunModel) -> None:
        self.start_ms = model.created_ms
        self.line(f"▶ {model.workflow} {model.run_id}")

    def happened(self, model: RunModel, events: Sequence[Event]) -> None:
        for event in events:
            text = told(model, event)
            if text:
                self.line(text, event.at_ms)

    def tick(self, model: RunModel) -> None:
        pass

    def say(self, text: str) -> None:
        self.write(text)

    def end(self, model: RunModel) -> None:
        pass

    def line(self, text: str, at_ms: int = 0) -> None:
        self.write(f"[{clock((at_ms or now_ms()) - self.start_ms)}] {text}")

    def write(self, text: str) -> None:
        """Goes on quietly when nobody reads any more: the run does not depend on its audience."""
        if self.gone:
            return
        try:
            write(sys.stderr, text + "\n")
        except OutputClosed:
            self.gone = True


def told(model: RunModel, event: Event) -> str:
    """An event as a person wants to read it; empty for those that say nothing new."""
    seen = model.seen(event.node, event.iteration) if event.node else None
    if seen is not None:
        return told_node(model, event, seen)
    match event.type:
        case "RunFinished":
            return f"✓ finished in {span(event.at_ms - model.created_ms)}"
        case "RunFailed":
            return "✗ failed"
        case "RunCancelled":
            return "⊗ cancelled"
        case "RunCancelRequested":
            return f"⊗ {event.fields.get('by') or 'somebody'} asked to cancel the run"
        case "RenderFailed":
            return f"✗ the workflow does not render: {told_error(event.fields.get('error'))}"
        case "WorkflowReloaded":
            return f"⟳ follows the code {str(event.fields.get('digest', ''))[:12]}"
        case "RunStarted" if event.seq > 1:
            return "▶ goes on"
        case _:
            return ""


def told_node(model: RunModel, event: Event, seen: Seen) -> str:
    name, attempt, turn = event.node, event.attempt, event.iteration or "0"
    tried = f", attempt {attempt}" if attempt > 1 else ""
    where = name if turn == "0" else f"{name} #{turn}"
    match event.type:
        case "NodeStarted":
            return f"→ {name} (attempt {attempt}, iteration {turn})"
        case "NodeFinished":
            return f"✓ {where} ({span(event.fields.get('durationMs', seen.took_ms))}{tried})"
        case "NodeFailed":
            return (
                f"✗ {where} failed{f' (attempt {attempt})' if tried else ''}: {told_error(event.fields.get('error'))}"
            )
        case "NodeRetrying":
            return f"↻ {where} retrying (attempt {attempt})"
        case "NodeCancelled":
            return f"⊗ {where} cancelled"
        case "NodeSkipped":
            return f"↷ {where} skipped"
        case "ApprovalRequested":
            return waiting(model.run_id, seen)
        case "ApprovalGranted" | "ApprovalDenied":
            return told_decision(event, where)
        case "NodeWaitingTimer":
            return f"⏱ {where} waiting for timer{f' (fires {iso(seen.due_ms)})' if seen.due_ms else ''}"
        case "TimerFired":
            return f"✓ {where} fired"
        case "WorkerDied":
            return f"✗ the worker died while it ran {where}{tried}"
        case "RetryTaskStarted":
            return f"↻ {where} is to run again"
        case _:
            return ""


def told_decision(event: Event, where: str) -> str:
    symbol, verb = ("✓", "approved") if event.type == "ApprovalGranted" else ("✗", "denied")
    note = f": {event.fields['note']}" if event.fields.get("note") else ""
    return f"{symbol} {where} {verb} by {event.fields.get('by') or 'somebody'}{note}"


def waiting(run_id: str, seen: Seen) -> str:
    turn = f" --iteration {seen.iteration}" if seen.iteration not in ("", "0") else ""
    return f'⏸ waits for approval: {seen.node} "{seen.title}" — smithers approve {run_id} {seen.node}{turn}'
