"""The log as typed events: what happened in a run, in the words of `catalogue.py`.

One entry becomes one event or several: a frame is one, and so is each thing that it changed. Nothing but the log is
read, so that whoever shows, streams or counts events has the same ones, at any time and in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from smithers.engine.catalogue import CATALOGUE
from smithers.engine.command import ESCALATION
from smithers.engine.deaths import MOST_DEATHS, killed
from smithers.engine.entry import Entry, Json, node_key, split_node_key
from smithers.engine.frame import delay_of, due, frame_hash
from smithers.engine.state import PAUSED
from smithers.flow.usage import for_programs

ENDS: Final = {"finished": "RunFinished", "failed": "RunFailed", "cancelled": "RunCancelled"}
ENDED: Final = {
    "NodeFailed": "failed",
    "NodeCancelled": "cancelled",
    "ApprovalDenied": "failed",
    "ApprovalExpired": "failed",
}
OVER: Final = ("finished", "failed", "skipped", "cancelled")
BEGINS_ANEW: Final = (
    "NodePending",
    "NodeStarted",
    "NodeRetrying",
    "NodeWaitingApproval",
    "NodeWaitingEvent",
    "NodeWaitingQueue",
)
NODE_EVENTS: Final = {
    "pending": ("NodePending",),
    "waiting-approval": ("NodeWaitingApproval", "ApprovalRequested"),
    "waiting-timer": ("NodeWaitingTimer",),
    "waiting-event": ("NodeWaitingEvent",),
    "waiting-queue": ("NodeWaitingQueue",),
    "skipped": ("NodeSkipped",),
    "cancelling": ("NodeCancelling",),
    "cancelled": ("NodeCancelled",),
    "failed": ("NodeFailed",),
}


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
        """A part of the catalogue (cli.events.type)."""
        return CATALOGUE[self.type].category

    def wire(self, run_id: str) -> Json:
        common: Json = {"type": self.type, "runId": run_id, "seq": self.seq, "timestampMs": self.at_ms}
        if self.node:
            common |= {"nodeId": self.node, "iteration": self.iteration or "0"}
        if self.attempt:
            common["attempt"] = self.attempt
        return common | self.fields


@dataclass(slots=True)
class Reader:
    """Turns entries, in order and from the first one, into events. It remembers what frames say again or leave out."""

    status: str = ""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """How nodes have ended, by key, as was told already: a frame shows it again."""
    deaths: dict[str, int] = field(default_factory=dict[str, int])
    """How often a node's attempt took its process with it."""
    due_ms: dict[int, int] = field(default_factory=dict[int, int])
    """When the timers fire, by command."""
    retried: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What was reset with each node that somebody has had run again and that is not over yet, by its key."""

    def events(self, entry: Entry) -> Iterator[Event]:
        for event in self.frame(entry) if entry.kind == "frame" else self.fact(entry):
            self.take_note(event)
            yield event

    def take_note(self, event: Event) -> None:
        key = node_key(event.node, event.iteration)
        if event.type in ENDED:
            self.ended[key] = ENDED[event.type]
        elif event.type in BEGINS_ANEW:
            self.ended.pop(key, None)
        if event.type == "WorkerDied":
            self.deaths[key] = self.deaths.get(key, 0) + 1
        elif event.type == "NodeRetrying":
            self.deaths.pop(key, None)

    def fact(self, entry: Entry) -> Iterator[Event]:
        if entry.kind == "carried":  # the run before has told of it
            return
        event = SIMPLE[entry.kind](entry)
        match entry.kind:
            case "ended":
                yield from looked_up(entry)
                yield from used(entry)
            case "retried":
                self.retried[node_key(event.node, event.iteration)] = event.fields["resetNodes"]
            case "fired" if event.type == "TimerFired":
                event = replace(event, fields=self.timed(entry, event))
            case "reminded" | "escalated":
                self.due_ms.pop(entry.data["n"], None)
            case _:
                pass
        yield event
        yield from self.pause(entry)

    def timed(self, entry: Entry, fired: Event) -> Json:
        due_ms = self.due_ms.pop(entry.data["n"], 0)
        late = {"firesAtMs": due_ms, "delayMs": max(0, entry.at_ms - due_ms)} if due_ms else {}
        return {"timerId": fired.node, "firedAtMs": entry.at_ms} | late

    def pause(self, entry: Entry) -> Iterator[Event]:
        """A pause begins and ends with its fact; any other status with a frame."""
        ends = entry.kind in ("unpaused", "cancel") and self.status == PAUSED
        if ends or entry.kind == "paused":
            self.status = "running" if ends else PAUSED
            yield Event(entry.seq, entry.at_ms, "RunStatusChanged", fields={"status": self.status})

    def frame(self, entry: Entry) -> Iterator[Event]:
        data = entry.data
        hashed = {"frameNo": data.get("number"), "frameHash": frame_hash(data)}
        yield Event(entry.seq, entry.at_ms, "FrameCommitted", fields=hashed)
        for key, how in data.get("events", {}).items():
            yield from waited(entry, key, how)
        yield from people(entry)
        yield from budgets(entry)
        yield from self.timers(entry)
        yield from self.nodes(entry)
        for n, kind, node, iteration, attempt, _ in data.get("commands", ()):
            if kind in ("run", "child", "subflow") and attempt > 1:
                due_ms = due(entry, n)
                fields = {"notBeforeMs": due_ms} if due_ms else {}
                yield Event(entry.seq, entry.at_ms, "NodeRetrying", node, iteration, attempt, fields)
        yield from self.run(entry)

    def timers(self, entry: Entry) -> Iterator[Event]:
        """Those that begin and those that end unfired."""
        shown = entry.data.get("nodes", {})
        for n, kind, node, iteration, _, target in entry.data.get("commands", ()):
            common = entry.seq, entry.at_ms
            if kind == "cancel" and self.due_ms.pop(target, None) is not None:
                yield Event(*common, "TimerCancelled", node, iteration, fields={"timerId": node})
            if kind == "timer":
                self.due_ms[n] = due(entry, n)
                is_own = shown.get(node_key(node, iteration)) == "waiting-timer"
                type = of_question(target) if not is_own else "absolute" if delay_of(entry, n)[1] else "duration"
                when = {"firesAtMs": self.due_ms[n]} if self.due_ms[n] else {}
                yield Event(
                    *common, "TimerCreated", node, iteration, fields={"timerId": node, "timerType": type} | when
                )

    def nodes(self, entry: Entry) -> Iterator[Event]:
        """What the frame shows of nodes, and nothing else has told."""
        timers = {node_key(c[2], c[3]): c[0] for c in entry.data.get("commands", ()) if c[1] == "timer"}
        for key, shown in entry.data.get("nodes", {}).items():
            node, iteration = split_node_key(key)
            if shown in OVER and key in self.retried:
                told = {"state": shown, "success": shown == "finished", "resetNodes": self.retried.pop(key)}
                yield Event(entry.seq, entry.at_ms, "RetryTaskFinished", node, iteration, fields=told)
            if self.ended.get(key) == shown:
                continue
            fields: Json = {}
            if shown == "waiting-timer" and key in timers and self.due_ms.get(timers[key]):
                fields = {"firesAtMs": self.due_ms[timers[key]]}
            if shown == "failed" and self.deaths.get(key, 0) >= MOST_DEATHS:
                fields = {"error": killed(self.deaths[key])}
            for type in NODE_EVENTS.get(shown, ()):
                yield Event(entry.seq, entry.at_ms, type, node, iteration, fields=fields)

    def run(self, entry: Entry) -> Iterator[Event]:
        status = entry.data.get("status", self.status)
        if status == self.status:
            return
        self.status = status
        yield Event(entry.seq, entry.at_ms, "RunStatusChanged", fields={"status": status})
        if status in ENDS:
            fields = {"error": entry.data.get("error")} if status == "failed" else {}
            yield Event(entry.seq, entry.at_ms, ENDS[status], fields=fields)


def events_of(entries: Iterable[Entry]) -> Iterator[Event]:
    """The events of a log that is read from its beginning."""
    reader = Reader()
    for entry in entries:
        yield from reader.events(entry)


def looked_up(entry: Entry) -> Iterator[Event]:
    """Whether a task's output was in the cache. The reference has no events for it yet (concepts-caching)."""
    cache: Json = entry.data.get("cache") or {}
    if not cache:
        return
    hit: Json = cache.get("hit") or {}
    about = {"run": hit["run"]} if hit else {"why": cache.get("missed") or "nothing is kept under this key"}
    yield with_field(about_node("CacheHit" if hit else "CacheMiss")(entry), "key", cache["key"][:12], **about)


def used(entry: Entry) -> Iterator[Event]:
    """What an attempt has used, and where that was more than one task should."""
    if "usage" in entry.data:
        usage = for_programs(entry.data["usage"])
        source = "subflow" if "run" in entry.data else "task"
        yield with_field(about_node("TokenUsageReported")(entry), "source", source, **usage)
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


def of_question(target: int) -> str:
    """The type of a timer that is not a node of its own."""
    return "escalation" if target == ESCALATION else "reminder" if target else "deadline"


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


def retried(entry: Entry) -> Event:
    """Nodes are named as `retry-task` does: `review`, or `review #2` inside loops."""
    data = entry.data
    keys = data.get("reset") or [node_key(data["node"], data["iteration"])]
    names = [f"{node} #{iteration}" if iteration else node for node, iteration in map(split_node_key, keys)]
    started = about_node("RetryTaskStarted", "by")(entry)
    return with_field(started, "resetNodes", names, resetDependents=len(names) > 1)


def continued(entry: Entry) -> Event:
    data = entry.data
    told = {"newRunId": data["run"], "iteration": str(data["generation"])}
    told |= {"carriedStateSize": data["bytes"]} | ({"ancestryDepth": data["depth"]} if data["depth"] > 1 else {})
    return Event(entry.seq, entry.at_ms, "RunContinuedAsNew", fields=told)


def with_field(event: Event, name: str, value: Any, **more: Any) -> Event:
    return replace(event, fields=event.fields | {name: value} | more)


def fired(entry: Entry) -> Event:
    return about_node("ApprovalExpired" if entry.key.startswith("decided:") else "TimerFired")(entry)


def reminded(entry: Entry) -> Event:
    return with_field(about_node("ApprovalReminded")(entry), "reminder", entry.data["nth"])


def rejected(entry: Entry) -> Event:
    """An answer that was refused says so; any other fact came too late."""
    return about_node("AnswerRefused" if entry.data.get("node") else "FactRejected", "by", "why")(entry)


SIMPLE: Final[dict[str, Callable[[Entry], Event]]] = {
    "started": about_node("RunStarted", "workflow"),
    "continued": continued,
    "resumed": about_node("RunStarted", "by"),
    "redriven": about_node("RunStarted", "by"),
    "claim": about_node("NodeStarted"),
    "launched": about_node("NodeStarted", "run"),
    "admitted": about_node("NodeAdmitted", "queue"),
    "ended": ended,
    "decided": decided,
    "voted": about_node("ApprovalVoted", "by", "note"),
    "withdrawn": about_node("ApprovalVoteWithdrawn", "by", "note"),
    "delegated": about_node("ApprovalDelegated", "by", "to", "note"),
    "reminded": reminded,
    "escalated": about_node("ApprovalEscalated", "users", "scopes"),
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
    "retried": retried,
    "rejected": rejected,
}
