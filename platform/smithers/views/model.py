"""What a viewer knows of a run. It is folded from events, so that it costs what happens, not what there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from smithers.engine.chronicle import Event, Reader
from smithers.engine.entry import Entry, Json, node_key
from smithers.engine.frame import NodeRow
from smithers.engine.state import ASKED, FINAL, PAUSED, QUEUED
from smithers.errors import RunNotFound, StoreUnavailable
from smithers.store.interface import Store

STATES = {
    "NodePending": "pending",
    "NodeStarted": "running",
    "NodeFinished": "finished",
    "NodeFailed": "failed",
    "NodeCancelling": "cancelling",
    "NodeCancelled": "cancelled",
    "NodeSkipped": "skipped",
    "NodeRetrying": "ready",
    "NodeWaitingApproval": "waiting-approval",
    "NodeWaitingTimer": "waiting-timer",
    "NodeWaitingEvent": "waiting-event",
    "NodeWaitingQueue": "waiting-queue",
    "ApprovalGranted": "finished",
    "ApprovalDenied": "failed",
    "ApprovalAutoApproved": "finished",
    "ApprovalExpired": "failed",
    "TimerFired": "finished",
}
RUNNING = "running"
CODE = "waiting-code"


@dataclass(slots=True)
class Seen:
    """One node, as far as the viewer has followed it."""

    node: str
    iteration: str
    state: str = "pending"
    attempt: int = 0
    kind: str = "task"
    label: str = ""
    ordinal: int = 0
    detail: Json | None = None
    since_ms: int = 0
    """When its body began, or when it began to wait."""
    took_ms: int = 0
    due_ms: int = 0
    """When a timer fires, or a wait for an event is over."""
    error: Json | None = None
    says: str = ""
    """The last line it wrote."""

    @property
    def title(self) -> str:
        return str((self.detail or {}).get("title") or self.label or self.node)


@dataclass(slots=True)
class RunModel:
    run_id: str
    workflow: str
    created_ms: int
    status: str = RUNNING
    position: int = 0
    nodes: dict[str, Seen] = field(default_factory=dict[str, Seen])
    code_error: Json | None = None
    """Why the code does not render, while it does not."""
    goes_on_as: str = ""
    """The run that goes on for this one, which has continued as new."""
    is_stale: bool = True
    """Nodes have come that only the store can describe: their kind, label and place."""
    reader: Reader = field(default_factory=Reader)

    def take(self, entries: Iterable[Entry]) -> list[Event]:
        """Follows the log and returns what happened."""
        events: list[Event] = []
        for entry in entries:
            self.position = entry.seq
            events += self.reader.events(entry)
            self.follow_run(entry)
        for event in events:
            if event.node:
                self.follow_node(event)
        return events

    def follow_run(self, entry: Entry) -> None:
        if entry.kind == "frame":
            self.status, self.code_error = entry.data.get("status", self.status), None
        elif entry.kind == "continued":
            self.goes_on_as = entry.data["run"]
        elif entry.kind == "paused":
            self.status = PAUSED
        elif self.status == PAUSED:
            self.status = RUNNING if entry.kind in ("unpaused", "cancel") else PAUSED
        elif entry.kind == "render_failed":
            self.status, self.code_error = CODE, entry.data.get("error") or {}
        elif entry.kind in ("resumed", "redriven", "follow", "decided", "fired", "signal", "amended", "admitted"):
            self.status = RUNNING

    def follow_node(self, event: Event) -> None:
        state = "ready" if event.type == "StepSettled" and self.status == PAUSED else STATES.get(event.type)
        if state is None:
            return
        seen = self.seen(event.node, event.iteration)
        seen.state, seen.attempt = state, event.attempt or seen.attempt
        if event.type in ("NodeStarted", "NodeWaitingApproval", "NodeWaitingTimer", "NodeWaitingEvent"):
            seen.since_ms = event.at_ms
        elif state in FINAL:
            seen.took_ms = event.fields.get("durationMs") or max(0, event.at_ms - (seen.since_ms or event.at_ms))
        seen.error = event.fields.get("error")

    def seen(self, node: str, iteration: str) -> Seen:
        key = node_key(node, iteration)
        if key not in self.nodes:
            self.nodes[key] = Seen(node, iteration)
            self.is_stale = True
        return self.nodes[key]

    def describe(self, rows: Iterable[NodeRow]) -> None:
        """Takes what the store says of the nodes: everything for new ones, place and words for known ones."""
        for row in rows:
            is_new = node_key(row.node, row.iteration) not in self.nodes
            seen = self.seen(row.node, row.iteration)
            seen.kind, seen.label, seen.ordinal, seen.detail = row.kind, row.label, row.ordinal, row.detail
            if is_new:
                seen.state, seen.attempt = row.state, row.attempt
        self.is_stale = False

    def in_state(self, *states: str) -> list[Seen]:
        return [seen for seen in self.nodes.values() if seen.state in states]

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    @property
    def approvals(self) -> list[Seen]:
        return sorted(self.in_state("waiting-approval"), key=lambda seen: seen.ordinal)

    @property
    def waits_for_person(self) -> bool:
        """Nothing goes on until somebody answers, sends an event, or ends a pause in which no task runs any more."""
        if self.status == PAUSED:
            return not self.in_state(RUNNING)
        if any(seen.due_ms for seen in self.in_state("waiting-event")):
            return False
        return self.status in ASKED and not self.in_state("waiting-timer", QUEUED, RUNNING)


def next_model(store: Store, before: RunModel) -> RunModel | None:
    """The run that goes on for one that has continued as new, not looked at yet. None while the store is away, and for
    good where that run is deleted by now."""
    if not before.goes_on_as:
        return None
    try:
        run = store.run(before.goes_on_as)
    except StoreUnavailable:
        return None
    except RunNotFound:
        before.goes_on_as = ""
        return None
    return RunModel(run.run_id, run.workflow, run.created_ms)
