"""The catalogue of events: every kind that a run's log can tell, with its fields.

Names and fields are the reference's where they mean the same (page events); what it has no name for has one here:
waits for events, votes, reminders, delegations, refused answers, deaths of workers. `chronicle.py` makes the events,
`docs/events.md` is written from this file, and `schema()` is the same for programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from smithers.engine.entry import Json

Category = Literal["run", "node", "approval", "timer", "signal", "frame", "workflow", "revert", "cache", "budget"]
NODE, ATTEMPT, MAYBE = ("nodeId", "iteration"), ("nodeId", "iteration", "attempt"), ("nodeId", "iteration", "attempt?")

BUDGET = ("nodeId?", "iteration?", "attempt?", "kind", "limit", "current", "scope?", "aspects?", "policy?")

COMMON: Final = ("type", "runId", "seq", "timestampMs")
"""Fields of every event."""
FIELDS: Final[dict[str, tuple[str, str]]] = {
    "type": ("string", "which kind of event it is"),
    "runId": ("string", "the run it is about"),
    "seq": ("integer", "position in the run's log, from 1; several events may come of one entry"),
    "timestampMs": ("integer", "when it was stored, in milliseconds since 1970, UTC; never goes down in a run"),
    "nodeId": ("string", "the node it is about"),
    "iteration": ("string", "passes of the loops around the node: `0` outside, `2` in a loop, `2.1` in a loop in it"),
    "attempt": ("integer", "which try, from 1"),
    "workflow": ("string", "the workflow's name"),
    "by": ("string", "who did it"),
    "to": ("string", "the user that a question was handed to"),
    "users": ("array", "users who may decide from here on"),
    "scopes": ("array", "scopes that suffice to decide from here on"),
    "reminder": ("integer", "which reminder of the question it is, from 1"),
    "reason": ("string", "why, in that person's words"),
    "note": ("string", "what was said with it"),
    "why": ("string", "why it happened"),
    "status": ("string", "the run's status from here on"),
    "error": ("object", "what went wrong: `{code, message, ...}`; `smithers explain CODE` says more"),
    "frameNo": ("integer", "number of the frame in its run, from 1"),
    "frameHash": ("string", "SHA-256 of the frame as canonical JSON, in hex: equal frames plan the same"),
    "durationMs": ("integer", "how long the body ran"),
    "signal": ("integer", "`seq` of the event that the wait has taken"),
    "timeout": ("string", "the wait's time is over, and this is what its author wants then"),
    "notBeforeMs": ("integer", "when the next try may begin"),
    "timerId": ("string", "the node whose timer it is"),
    "timerType": ("string", "duration, absolute, or of a question or a wait: deadline, reminder, escalation"),
    "firesAtMs": ("integer", "when the timer is to fire"),
    "firedAtMs": ("integer", "when it has fired"),
    "delayMs": ("integer", "how much later it fired than it was to"),
    "name": ("string", "the event's name, as its sender gave it"),
    "correlation": ("string", "the correlation id that came with it"),
    "run": ("string", "another run: the child that stands for the node, or the one that an output was taken from"),
    "queue": ("string", "the name of a queue that runs share"),
    "key": ("string", "the beginning of the cache key"),
    "newRunId": ("string", "the run that goes on for this one"),
    "carriedStateSize": ("integer", "bytes of what is carried on, as JSON"),
    "ancestryDepth": ("integer", "how many runs are before the new one, and above it, where it is more than one"),
    "state": ("string", "how the node has ended"),
    "resetNodes": ("array", "nodes that begin anew, the one that was asked for first"),
    "resetDependents": ("boolean", "whether other nodes begin anew with it"),
    "success": ("boolean", "whether it has an output"),
    "source": ("string", "who has counted: task; or subflow, for all that its run has used"),
    "inputTokens": ("integer", "tokens that went in"),
    "outputTokens": ("integer", "tokens that came out"),
    "costUsd": ("number", "what it cost, in US dollars"),
    "kind": ("string", "which budget: tokens, cost, or latency"),
    "limit": ("number", "what the budget allows: tokens, dollars, or milliseconds"),
    "current": ("number", "what was used by then, in the same unit"),
    "scope": ("string", "task where it is the budget of one task"),
    "aspects": ("string", "id of the `Aspects` around"),
    "policy": ("string", "what its author wants then: fail, warn, or skip-remaining"),
    "digest": ("string", "digest of the code that the run follows from here on"),
}
"""Every field: its JSON type, and what it says."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event."""

    name: str
    category: Category
    meaning: str
    fields: tuple[str, ...] = ()
    """Besides the common ones; with `?` where they may be missing."""

    @property
    def required(self) -> tuple[str, ...]:
        return (*COMMON, *(name for name in self.fields if not name.endswith("?")))

    @property
    def properties(self) -> tuple[str, ...]:
        return (*COMMON, *(name.removesuffix("?") for name in self.fields))


TYPES: Final = (
    EventType("RunStarted", "run", "A run begins, or goes on after it was resumed.", ("workflow?", "by?")),
    EventType("RunStatusChanged", "run", "The run has another status.", ("status",)),
    EventType("RunFinished", "run", "The run has finished."),
    EventType("RunFailed", "run", "The run has failed.", ("error",)),
    EventType("RunPaused", "run", "Somebody has paused the run.", ("by?", "note?")),
    EventType("RunUnpaused", "run", "The run goes on.", ("by?", "note?")),
    EventType("RunInputAmended", "run", "The run has another input.", ("by?", "note?")),
    EventType("RunCancelRequested", "run", "Somebody asks to cancel the run.", ("by?", "reason?")),
    EventType("RunCancelled", "run", "The run is cancelled; nothing of it is in flight any more."),
    EventType(
        "RunContinuedAsNew",
        "run",
        "Another run goes on for this one; `iteration` says how many there were before that.",
        ("newRunId", "iteration", "carriedStateSize", "ancestryDepth?"),
    ),
    EventType("WorkerDied", "run", "A worker died while it ran this node.", (*MAYBE, "why?")),
    EventType("WorkerReleased", "run", "A worker has handed this node on.", (*MAYBE, "why?")),
    EventType("StepSettled", "run", "A step ended without an answer, and is closed.", (*MAYBE, "why?")),
    EventType("FactRejected", "run", "An answer came too late; it is kept and changes nothing.", ("by?", "why?")),
    EventType("FrameCommitted", "frame", "A plan was made.", ("frameNo", "frameHash")),
    EventType("NodePending", "node", "A node is in the tree and has to wait for its turn.", NODE),
    EventType("NodeStarted", "node", "An attempt begins.", (*ATTEMPT, "run?")),
    EventType("ChildRunFinished", "node", "The run of a subflow is over; its output is looked at.", (*ATTEMPT, "run")),
    EventType(
        "NodeFinished", "node", "A node is done, and its output stored.", (*MAYBE, "durationMs?", "signal?", "timeout?")
    ),
    EventType(
        "NodeFailed",
        "node",
        "An attempt has failed; `NodeRetrying` follows where there is another. Also a wait that failed.",
        (*MAYBE, "error?", "durationMs?", "timeout?"),
    ),
    EventType("NodeRetrying", "node", "The next attempt is due.", (*ATTEMPT, "notBeforeMs?")),
    EventType("NodeCancelling", "node", "A running node is asked to stop.", NODE),
    EventType("NodeCancelled", "node", "A node was cancelled.", (*MAYBE, "error?", "durationMs?")),
    EventType("NodeSkipped", "node", "A node is skipped.", NODE),
    EventType("NodeWaitingApproval", "node", "A node waits for a person.", NODE),
    EventType("NodeWaitingTimer", "node", "A node waits for a time.", (*NODE, "firesAtMs?")),
    EventType("NodeWaitingEvent", "node", "A node waits for an event.", NODE),
    EventType("NodeWaitingQueue", "node", "A node waits for its turn in a queue that runs share.", NODE),
    EventType("NodeAdmitted", "node", "Its turn has come: the task begins.", (*ATTEMPT, "queue")),
    EventType("ApprovalRequested", "approval", "A person is asked.", NODE),
    EventType("ApprovalGranted", "approval", "A person has approved, or answered.", (*NODE, "by?", "note?")),
    EventType("ApprovalDenied", "approval", "A person has denied.", (*NODE, "by?", "note?")),
    EventType("ApprovalAutoApproved", "approval", "It was approved as its author has said.", (*NODE, "note?")),
    EventType("ApprovalVoted", "approval", "One of several has approved.", (*NODE, "by?", "note?")),
    EventType("ApprovalVoteWithdrawn", "approval", "One of several takes an approval back.", (*NODE, "by?", "note?")),
    EventType("ApprovalDelegated", "approval", "A person hands the question to another.", (*NODE, "by", "to", "note?")),
    EventType("ApprovalReminded", "approval", "Nobody has answered yet; people are reminded.", (*NODE, "reminder")),
    EventType(
        "ApprovalEscalated", "approval", "Nobody has answered yet; others may decide, too.", (*NODE, "users", "scopes")
    ),
    EventType("ApprovalExpired", "approval", "Nobody has answered in time.", NODE),
    EventType("AnswerRefused", "approval", "An answer did not fit, or was not this person's.", (*NODE, "by?", "why?")),
    EventType("TimerCreated", "timer", "A durable timer runs.", (*NODE, "timerId", "timerType", "firesAtMs?")),
    EventType("TimerFired", "timer", "A timer has fired.", (*NODE, "timerId", "firesAtMs?", "firedAtMs", "delayMs?")),
    EventType("TimerCancelled", "timer", "A timer is not wanted any more.", (*NODE, "timerId")),
    EventType("SignalReceived", "signal", "An event has come from outside.", ("name", "correlation?", "by?")),
    EventType("RenderFailed", "workflow", "The code does not render; the run waits for other code.", ("error",)),
    EventType("WorkflowReloaded", "workflow", "The run follows other code.", ("digest",)),
    EventType(
        "RetryTaskStarted",
        "revert",
        "Somebody wants a node to run again.",
        (*NODE, "by?", "resetNodes", "resetDependents"),
    ),
    EventType(
        "RetryTaskFinished",
        "revert",
        "A node that was to run again is over.",
        (*NODE, "state", "success", "resetNodes"),
    ),
    EventType("CacheHit", "cache", "A task's output was there, of an earlier run.", (*ATTEMPT, "key", "run")),
    EventType("CacheMiss", "cache", "A task's output was not there, or did not fit.", (*ATTEMPT, "key", "why")),
    EventType(
        "TokenUsageReported",
        "budget",
        "What an attempt has used.",
        (*ATTEMPT, "source", "inputTokens?", "outputTokens?", "costUsd?"),
    ),
    EventType("AspectBudgetWarning", "budget", "More than a budget allows, and the run goes on.", BUDGET),
    EventType("AspectBudgetExceeded", "budget", "A budget is spent: what follows is not begun.", BUDGET),
)
CATALOGUE: Final = {one.name: one for one in TYPES}
CATEGORIES: Final = tuple(dict.fromkeys(one.category for one in TYPES))


def schema() -> Json:
    """A JSON schema (2020-12) that every event fits as programs get it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "anyOf": [schema_of(one) for one in TYPES],
    }


def schema_of(one: EventType) -> Json:
    properties: Json = {name: {"type": FIELDS[name][0], "description": FIELDS[name][1]} for name in one.properties}
    properties["type"] = {"const": one.name}
    return {
        "title": one.name,
        "description": one.meaning,
        "type": "object",
        "properties": properties,
        "required": list(one.required),
        "additionalProperties": False,
    }
