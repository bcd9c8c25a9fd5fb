"""The log as typed events (the reference's event names), and each as one line of text.

One entry becomes one event or several: a frame is one, and so is each thing that it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.cli.times import offset
from smithers.cli.views.nodes import named, told_error
from smithers.cli.views.usage import usage_wire
from smithers.engine.entry import Entry, Json, node_key, split_node_key
from smithers.engine.state import PAUSED

ENDS: Final = {"finished": "RunFinished", "failed": "RunFailed", "cancelled": "RunCancelled"}
NODE_EVENTS: Final = {
    "pending": ("NodePending",),
    "waiting-approval": ("NodeWaitingApproval", "ApprovalRequested"),
    "waiting-timer": ("NodeWaitingTimer",),
    "waiting-event": ("NodeWaitingEvent",),
    "skipped": ("NodeSkipped",),
    "cancelling": ("NodeCancelling",),
    "cancelled": ("NodeCancelled",),
}
CATEGORIES: Final = {
    "Node": "node",
    "Child": "node",
    "Approval": "approval",
    "Answer": "approval",
    "Timer": "timer",
    "Signal": "signal",
    "Frame": "frame",
    "Cache": "cache",
    "Aspect": "budget",
    "TokenUsage": "budget",
    "RetryTask": "revert",
}
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
    "AnswerRefused": "✗",
    "RenderFailed": "✗",
    "WorkerDied": "✗",
    "NodeRetrying": "↻",
    "RetryTaskStarted": "↻",
    "NodeWaitingApproval": "⏸",
    "ApprovalRequested": "⏸",
    "NodeWaitingTimer": "⏱",
    "TimerFired": "⏱",
    "NodeWaitingEvent": "⏸",
    "SignalReceived": "✉",
    "WorkflowReloaded": "⟳",
    "RunPaused": "⏸",
    "RunUnpaused": "→",
}
MOST_TEXT: Final = 240
"""Of a field in a line (cli.evfmt.truncate)."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as people and programs read it."""

    seq: int
    at_ms: int
    type: str
    node: str = ""
    iteration: str = ""
    attempt: int = 0
    fields: Json = field(default_factory=dict[str, Any])

    @property
    def category(self) -> str:
        return next((name for start, name in CATEGORIES.items() if self.type.startswith(start)), "run")

    def wire(self, run_id: str) -> Json:
        common: Json = {"type": self.type, "runId": run_id, "seq": self.seq, "timestampMs": self.at_ms}
        if self.node:
            common |= {"nodeId": self.node, "iteration": self.iteration or "0"}
        if self.attempt:
            common["attempt"] = self.attempt
        return common | self.fields

    def line(self, start_ms: int) -> str:
        parts = [offset(self.at_ms - start_ms), SYMBOLS.get(self.type, "·"), self.type]
        if self.node:
            parts.append(named(self.node, self.iteration))
        if self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        parts += [f"{name}={cut(value)}" for name, value in self.fields.items() if value not in (None, "", [], {})]
        return " ".join(parts)


def cut(value: Any) -> str:
    text = told_error(value) if isinstance(value, dict) and "message" in value else str(value)  # pyright: ignore[reportUnknownArgumentType]
    text = text.replace("\n", " ")
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "..."


@dataclass(slots=True)
class Reader:
    """Turns entries, in order, into events. It remembers what frames say again."""

    status: str = ""
    cancelled: set[str] = field(default_factory=set[str])
    """Keys of nodes whose own answer was that they were cancelled."""
    retried: set[str] = field(default_factory=set[str])
    """Keys of nodes that somebody has had run again, and that are not over yet."""

    def events(self, entry: Entry) -> Iterator[Event]:
        if entry.kind == "frame":
            yield from self.frame(entry)
            return
        if entry.kind == "ended":
            yield from looked_up(entry)
        event = SIMPLE[entry.kind](entry)
        if entry.kind == "ended":
            yield from used(entry)
        if event.type == "NodeCancelled":
            self.cancelled.add(node_key(event.node, event.iteration))
        yield event
        if entry.kind == "retried":
            self.retried.add(node_key(event.node, event.iteration))
        status = PAUSED if entry.kind == "paused" else "running" if self.status == PAUSED else self.status
        if status != self.status and entry.kind in ("paused", "unpaused", "cancel"):
            self.status = status
            yield Event(entry.seq, entry.at_ms, "RunStatusChanged", fields={"status": status})

    def frame(self, entry: Entry) -> Iterator[Event]:
        data = entry.data
        yield Event(entry.seq, entry.at_ms, "FrameCommitted", fields={"frameNo": data.get("number")})
        for key, how in data.get("events", {}).items():
            yield from waited(entry, key, how)
        for key, shown in data.get("nodes", {}).items():
            node, iteration = split_node_key(key)
            if shown in ("finished", "failed", "skipped", "cancelled") and key in self.retried:
                self.retried.remove(key)
                yield Event(entry.seq, entry.at_ms, "RetryTaskFinished", node, iteration, fields={"state": shown})
            known = shown == "cancelled" and key in self.cancelled
            for type in () if known else NODE_EVENTS.get(shown, ()):
                yield Event(entry.seq, entry.at_ms, type, node, iteration)
        yield from people(entry)
        yield from budgets(entry)
        for _, kind, node, iteration, attempt, _ in data.get("commands", ()):
            if kind in ("run", "child", "subflow") and attempt > 1:
                yield Event(entry.seq, entry.at_ms, "NodeRetrying", node, iteration, attempt)
        status = data.get("status", self.status)
        if status != self.status:
            self.status = status
            yield Event(entry.seq, entry.at_ms, "RunStatusChanged", fields={"status": status})
            if status in ENDS:
                yield Event(entry.seq, entry.at_ms, ENDS[status], fields={"error": data.get("error")})


def looked_up(entry: Entry) -> Iterator[Event]:
    """Whether a task's output was in the cache. The reference has no events for it yet (concepts-caching)."""
    cache: Json = entry.data.get("cache") or {}
    if not cache:
        return
    hit: Json = cache.get("hit") or {}
    shown = {"run": hit["run"]} if hit else {"why": cache.get("missed") or "nothing is kept under this key"}
    yield with_field(about_node("CacheHit" if hit else "CacheMiss")(entry), "key", cache["key"][:12], **shown)


def used(entry: Entry) -> Iterator[Event]:
    """What an attempt has used, and where that was more than one task should."""
    if "usage" in entry.data:
        event = about_node("TokenUsageReported")(entry)
        usage = usage_wire(entry.data["usage"]) or {}
        yield with_field(event, "source", "task", **usage)
    for over in entry.data.get("over", ()):
        about = {"limit": over["limit"], "current": over["current"], "scope": "task"}
        kind = "latency" if over["kind"] == "ms" else over["kind"]
        yield with_field(about_node("AspectBudgetWarning")(entry), "kind", kind, **about)


def budgets(entry: Entry) -> Iterator[Event]:
    """Budgets that a plan has found exceeded, and tasks that it has not let begin for that."""
    for about in entry.data.get("exceeded", {}).values():
        yield Event(entry.seq, entry.at_ms, exceeded_type(about["policy"]), fields=about)
    for record in entry.data.get("stages", {}).values():
        if record.get("warned") and "end" not in record:
            yield Event(entry.seq, entry.at_ms, exceeded_type("warn"), fields=record["warned"]["data"])
    for key, error in entry.data.get("refused", {}).items():
        yield Event(entry.seq, entry.at_ms, "NodeFailed", *split_node_key(key), fields={"error": error})


def exceeded_type(policy: str) -> str:
    return "AspectBudgetWarning" if policy == "warn" else "AspectBudgetExceeded"


def people(entry: Entry) -> Iterator[Event]:
    """What a plan has made of people's answers, or done without them."""
    for key in entry.data.get("auto", ()):
        yield Event(entry.seq, entry.at_ms, "ApprovalAutoApproved", *split_node_key(key))
    for key in entry.data.get("outputs", {}):
        yield Event(entry.seq, entry.at_ms, "NodeFinished", *split_node_key(key))
    for key, error in entry.data.get("failures", {}).items():
        yield Event(entry.seq, entry.at_ms, "NodeFailed", *split_node_key(key), fields={"error": error})
    for key, news in entry.data.get("asks", {}).items():
        why = {"why": news.get("complaint")}
        if not news.get("again"):
            yield Event(entry.seq, entry.at_ms, "AnswerRefused", *split_node_key(key), fields=why)
        for type in () if news.get("error") else NODE_EVENTS["waiting-approval"]:
            yield Event(entry.seq, entry.at_ms, type, *split_node_key(key))
        if news.get("error"):
            yield Event(entry.seq, entry.at_ms, "NodeFailed", *split_node_key(key), fields={"error": news["error"]})


def waited(entry: Entry, key: str, how: Json) -> Iterator[Event]:
    """How a wait for an event has ended. That it is skipped the frame says as of any node."""
    if how.get("timeout") == "skip":
        return
    type = "NodeFailed" if how.get("timeout") == "fail" else "NodeFinished"
    shown = {name: how[name] for name in ("signal", "timeout", "error") if name in how}
    yield Event(entry.seq, entry.at_ms, type, *split_node_key(key), fields=shown)


def about_node(type: str, *fields: str) -> Callable[[Entry], Event]:
    def event(entry: Entry) -> Event:
        data = entry.data
        shown = {name: data[name] for name in fields if data.get(name) is not None}
        return Event(
            entry.seq, entry.at_ms, type, data.get("node", ""), data.get("iteration", ""), data.get("attempt", 0), shown
        )

    return event


def ended(entry: Entry) -> Event:
    """A child run's output is the node's only when a plan has taken it."""
    if "run" in entry.data and entry.data["outcome"] == "finished":
        return about_node("ChildRunFinished", "run")(entry)
    types = {"finished": "NodeFinished", "cancelled": "NodeCancelled"}
    event = about_node(types.get(entry.data["outcome"], "NodeFailed"), "error")(entry)
    return event if "ms" not in entry.data else with_field(event, "durationMs", round(entry.data["ms"]))


def decided(entry: Entry) -> Event:
    if entry.data.get("auto"):
        return about_node("NodeFinished" if entry.data.get("unaudited") else "ApprovalAutoApproved", "note")(entry)
    return about_node("ApprovalGranted" if entry.data["approved"] else "ApprovalDenied", "by", "note")(entry)


def with_field(event: Event, name: str, value: Any, **more: Any) -> Event:
    fields = event.fields | {name: value} | more
    return Event(event.seq, event.at_ms, event.type, event.node, event.iteration, event.attempt, fields)


def fired(entry: Entry) -> Event:
    return about_node("ApprovalExpired" if entry.key.startswith("decided:") else "TimerFired")(entry)


def rejected(entry: Entry) -> Event:
    """An answer that was refused says so; any other fact came too late."""
    return about_node("AnswerRefused" if entry.data.get("node") else "FactRejected", "by", "why")(entry)


SIMPLE: Final[dict[str, Callable[[Entry], Event]]] = {
    "started": about_node("RunStarted", "workflow"),
    "resumed": about_node("RunStarted", "by"),
    "redriven": about_node("RunStarted", "by"),
    "claim": about_node("NodeStarted"),
    "launched": about_node("NodeStarted", "run"),
    "ended": ended,
    "decided": decided,
    "voted": about_node("ApprovalVoted", "by", "note"),
    "fired": fired,
    "signal": about_node("SignalReceived", "name", "correlation", "by"),
    "cancel": about_node("RunCancelRequested", "by", "reason"),
    "died": about_node("WorkerDied", "why"),
    "released": about_node("WorkerReleased", "why"),
    "settled": about_node("StepSettled", "why"),
    "render_failed": about_node("RenderFailed", "error"),
    "paused": about_node("RunPaused", "by", "note"),
    "unpaused": about_node("RunUnpaused", "by", "note"),
    "amended": about_node("RunInputAmended", "by", "note"),
    "follow": about_node("WorkflowReloaded", "digest"),
    "retried": about_node("RetryTaskStarted", "by", "reset"),
    "rejected": rejected,
}
