"""Progress as plain lines on standard error, in the reference's style (cli.global.progress)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from smithers.cli.output import OutputClosed, harmless, write
from smithers.cli.up.screen import Screen
from smithers.engine.answer import mode_of
from smithers.engine.chronicle import Event
from smithers.engine.frame import NodeRow
from smithers.views.asking import how_to_answer
from smithers.views.course import told_people
from smithers.views.model import RunModel, Seen
from smithers.views.nodes import named, told_error
from smithers.views.signals import send_command
from smithers.views.times import clock, iso, now_ms, span


class PlainScreen(Screen):
    """One line per thing that happens, each with the time since the run began."""

    def __init__(self) -> None:
        self.start_ms = now_ms()
        self.gone = False

    def begin(self, model: RunModel) -> None:
        self.start_ms = model.created_ms
        self.line(f"▶ {model.workflow} {model.run_id}")

    def goes_on(self, model: RunModel) -> None:
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
            write(sys.stderr, harmless(text) + "\n")
        except OutputClosed:
            self.gone = True


def told(model: RunModel, event: Event) -> str:
    """An event as a person wants to read it; empty for those that say nothing new."""
    if event.node:
        line = NODE_LINES.get(event.type)
        return line(model, event, model.seen(event.node, event.iteration)) if line is not None else ""
    match event.type:
        case "RunFinished":
            return f"✓ finished in {span(event.at_ms - model.created_ms)}"
        case "RunContinuedAsNew":
            return f"↪ continues as {event.fields['newRunId']}"
        case "RunCancelRequested":
            return f"⊗ {event.fields.get('by') or 'somebody'} asked to cancel the run"
        case "RunPaused":
            note = f": {event.fields['note']}" if event.fields.get("note") else ""
            return f"⏸ paused by {event.fields.get('by') or 'somebody'}{note} — smithers unpause {model.run_id}"
        case "RunUnpaused":
            return f"→ unpaused by {event.fields.get('by') or 'somebody'}"
        case "RunInputAmended":
            return f"✎ {event.fields.get('by') or 'somebody'} has given the run another input"
        case "RenderFailed":
            return f"✗ the workflow does not render: {told_error(event.fields.get('error'))}"
        case "WorkflowReloaded":
            return f"⟳ follows the code {str(event.fields.get('digest', ''))[:12]}"
        case "RunStarted" if event.seq > 1:
            return "▶ goes on"
        case _:
            return SHORT.get(event.type, "")


SHORT: Final = {"RunFailed": "✗ failed", "RunCancelled": "⊗ cancelled"}


DECIDED: Final = {
    "ApprovalGranted": ("✓", "approved"),
    "ApprovalVoted": ("✓", "approved (more must)"),
    "ApprovalDenied": ("✗", "denied"),
    "ApprovalVoteWithdrawn": ("↷", "approval taken back"),
}
Line = Callable[[RunModel, Event, Seen], str]


def started(_model: RunModel, event: Event, _seen: Seen) -> str:
    return f"→ {event.node} (attempt {event.attempt}, iteration {event.iteration or 0})"


def finished(_model: RunModel, event: Event, seen: Seen) -> str:
    tried = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return f"✓ {named(event.node, event.iteration)} ({span(event.fields.get('durationMs', seen.took_ms))}{tried})"


def failed(_model: RunModel, event: Event, _seen: Seen) -> str:
    tried = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    return f"✗ {named(event.node, event.iteration)} failed{tried}: {told_error(event.fields.get('error'))}"


def retrying(_model: RunModel, event: Event, _seen: Seen) -> str:
    return f"↻ {named(event.node, event.iteration)} retrying (attempt {event.attempt})"


def asked(model: RunModel, _event: Event, seen: Seen) -> str:
    row = NodeRow(seen.node, seen.iteration, seen.kind, seen.state, detail=seen.detail)
    what = {"human": "an answer", "select": "a choice", "rank": "a ranking"}.get(mode_of(seen.detail), "approval")
    return f'⏸ waits for {what}: {seen.node} "{seen.title}" — {how_to_answer(model.run_id, row)}'


def decided(_model: RunModel, event: Event, seen: Seen) -> str:
    symbol, verb = DECIDED[event.type]
    if seen.kind == "humantask":
        verb = {"approved": "answered", "denied": "cancelled"}.get(verb, verb)
    note = f": {event.fields['note']}" if event.fields.get("note") else ""
    return f"{symbol} {named(event.node, event.iteration)} {verb} by {event.fields.get('by') or 'somebody'}{note}"


def handed_on(_model: RunModel, event: Event, _seen: Seen) -> str:
    return f"→ {named(event.node, event.iteration)} handed by {event.fields.get('by')} to {event.fields.get('to')}"


def escalated(_model: RunModel, event: Event, _seen: Seen) -> str:
    who = told_people(event.fields.get("users") or (), event.fields.get("scopes") or ())
    return f"⏱ {named(event.node, event.iteration)}: nobody has answered yet; {who} may decide, too"


def refused(_model: RunModel, event: Event, _seen: Seen) -> str:
    by = f" by {event.fields['by']}" if event.fields.get("by") else ""
    return f"✗ {named(event.node, event.iteration)}: an answer{by} was refused: {event.fields.get('why') or ''}"


def timed(_model: RunModel, event: Event, seen: Seen) -> str:
    fires = f" (fires {iso(seen.due_ms)})" if seen.due_ms else ""
    return f"⏱ {named(event.node, event.iteration)} waiting for timer{fires}"


def awaited(model: RunModel, _event: Event, seen: Seen) -> str:
    until = f" (until {iso(seen.due_ms)})" if seen.due_ms else ""
    return (
        f"⏸ waits for an event: {named(seen.node, seen.iteration)}{until} — {send_command(model.run_id, seen.detail)}"
    )


def queued(model: RunModel, _event: Event, seen: Seen) -> str:
    name = (seen.detail or {}).get("queue")
    queue = f"queue {name!r}" if name else "a queue"
    return f"⧗ {named(seen.node, seen.iteration)} waits for its turn in {queue} — smithers why {model.run_id}"


def plain(before: str, after: str = "") -> Line:
    return lambda _model, event, _seen: f"{before}{named(event.node, event.iteration)}{after}"


NODE_LINES: Final[dict[str, Line]] = {
    "NodeStarted": started,
    "NodeFinished": finished,
    "NodeFailed": failed,
    "NodeRetrying": retrying,
    "NodeCancelling": plain("⊗ ", " is being cancelled"),
    "NodeCancelled": plain("⊗ ", " cancelled"),
    "NodeSkipped": plain("↷ ", " skipped"),
    "ApprovalRequested": asked,
    "ApprovalGranted": decided,
    "ApprovalDenied": decided,
    "ApprovalVoted": decided,
    "ApprovalAutoApproved": plain("✓ ", " approved automatically"),
    "ApprovalVoteWithdrawn": decided,
    "ApprovalDelegated": handed_on,
    "ApprovalReminded": plain("⏱ ", ": nobody has answered yet"),
    "ApprovalEscalated": escalated,
    "ApprovalExpired": plain("✗ ", ": nobody has answered in time"),
    "AnswerRefused": refused,
    "NodeWaitingTimer": timed,
    "NodeWaitingEvent": awaited,
    "NodeWaitingQueue": queued,
    "TimerFired": plain("✓ ", " fired"),
    "WorkerDied": plain("✗ the worker process died while it ran "),
    "RetryTaskStarted": plain("↻ ", " is to run again"),
}
