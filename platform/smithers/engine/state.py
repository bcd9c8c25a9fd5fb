"""The state of a run: everything that a plan needs to know, folded from the log and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from smithers.engine.entry import Json

OPEN: Final = ""
PAUSED: Final = "paused"
"""Status of a run in which nothing begins and nothing is planned until somebody unpauses or cancels it."""
CONTINUED: Final = "continued"
"""Status of a run that has ended, and that another run goes on for."""
FINAL: Final = frozenset({"finished", "failed", "cancelled", CONTINUED})
"""Statuses of a run that has ended."""
CLOSED: Final = FINAL - {"failed"}
"""Those after which nothing of a run goes on again."""
MOST_IN_FLIGHT: Final = 100
"""Tasks of one run, where its options do not say."""
ASKED: Final = ("waiting-approval", "waiting-event")
"""Of a node: it waits for what somebody outside says or sends. Of a run: nothing is at work, and some node does."""
QUEUED: Final = "waiting-queue"
"""Of a node: it waits for its turn in a queue that runs share. Of a run: nothing is at work, nobody is asked, and some
node does."""
OPEN_STATUSES: Final = ("running", *ASKED, QUEUED, "waiting-timer", "waiting-code", PAUSED)
"""Statuses of a run that has not ended."""
OPEN_STATES: Final = (
    "pending",
    "running",
    "cancelling",
    "waiting-approval",
    "waiting-timer",
    "waiting-event",
    QUEUED,
)
NORMAL: Final = 3
"""Of the priorities 1 to 5: the middle one, which is Temporal's own default."""
TURN_WANTED: Final = "wanted"
TURN_GIVEN: Final = "given"
Path = tuple[int, ...]


@dataclass(slots=True)
class NodeMemory:
    """What the log says of one node in one iteration. It outlives the node's place in the tree."""

    attempt: int = 0
    """The highest attempt that was planned."""
    ended: int = 0
    """The highest attempt that has ended; lower than `attempt` where the last one was lost and is done again."""
    n: int = 0
    """Number of the open command that works on it; 0 is none."""
    outcome: str = OPEN
    """finished, skipped, cancelled; empty while open. Whether a failure is final is for the plan to judge."""
    output: Any = None
    """JSON of the output, once there is one."""
    has_output: bool = False
    error: Json | None = None
    """Of the last failed attempt; None since the node was opened again."""
    failures: int = 0
    """Failed attempts since the node was opened."""
    deaths: int = 0
    """Claims of the current attempt whose process died."""
    decision: Json | None = None
    ask: int = 1
    """Which time the approval is asked; higher once denials were taken back."""
    refusals: int = 0
    """Answers of people that did not fit, since the node was opened."""
    complaint: str = ""
    """What was wrong with the last one, as far as only a plan could tell."""
    expiry: int = 0
    """Number of the open timer that ends the wait for a person; 0 is none."""
    reminder: int = 0
    """Number of the open timer that reminds people of the question; 0 is none."""
    reminded: int = 0
    """How often people were reminded of the question, since it is asked this time."""
    escalation: int = 0
    """Number of the open timer after which others may decide; 0 is none."""
    escalated: bool = False
    """Whether others may decide, since it is asked this time."""
    cancelling: bool = False
    """Whether the open command is being stopped, or the last one was."""
    timer: bool = False
    """Whether the open command is a timer, which nobody has to be told to stop."""
    turn: str = ""
    """Where it stands in a queue that runs share: wanted, given, or nowhere; see `engine/turns.py`."""
    child: bool = False
    """Whether the last command is a subflow: a child run carries it out."""
    returned: list[Any] | None = None
    """The output and the id of the child run that has finished, until a plan has looked at it."""
    goes_on: int = 0
    """The attempt whose child run has failed and is to go on, since the run was resumed; 0 is none."""
    waits: tuple[str, str | None] | None = None
    """The event's name and correlation id, for a node that waits for one; None where it does not wait (any more)."""
    since: int = 0
    """Number of the frame in which that wait began."""
    expired: int = 0
    """Position at which the wait's time was over, until a frame says what became of it."""
    signal: int = 0
    """Position of the signal that the node has taken; 0 is none."""
    unfit: dict[int, str] = field(default_factory=dict[int, str])
    """Signals that match, but whose payload does not fit, and why."""
    charge: list[Any] | None = None
    """Scopes with budgets that what it uses counts for, innermost first; what is reserved in them while its command is
    open: tokens, billionths of a dollar."""
    usage: list[int] | None = None
    """Of all its attempts: input tokens, output tokens, billionths of a dollar; None where nothing was reported."""
    cached: str = ""
    """The run whose output it has taken from the cache; empty where its own body has produced it."""
    shown: str = OPEN
    """The state that frames have told people."""


@dataclass(slots=True)
class State:
    """A fold of the log up to `position`."""

    run_id: str = ""
    position: int = 0
    planned: int = 0
    """Position that the last frame covers."""
    last_fact: int = 0
    """Position of the last entry that asks for a plan."""
    last_ms: int = 0
    frames: int = 0
    commands: int = 0
    """The highest number given to a command."""
    status: str = "running"
    digest: str = ""
    input: Json = field(default_factory=dict[str, Any])
    options: Json = field(default_factory=dict[str, Any])
    nodes: dict[str, NodeMemory] = field(default_factory=dict[str, NodeMemory])
    by_command: dict[int, str] = field(default_factory=dict[int, str])
    """Key of the node that each open command works on."""
    clocks: dict[int, tuple[str, int, int]] = field(default_factory=dict[int, tuple[str, int, int]])
    """Open timers of questions to people: node key, which ask they belong to, and what they are for (`target`)."""
    open_other: dict[int, int] = field(default_factory=dict[int, int])
    """Open `cancel` commands with their targets; open `complete` and `fail` commands with 0."""
    loops: dict[str, int] = field(default_factory=dict[str, int])
    """Pass that each loop has entered; see `ended_loops`."""
    ended_loops: dict[str, str] = field(default_factory=dict[str, str])
    """Loops that are over, and how: until, max."""
    stages: dict[str, Json] = field(default_factory=dict[str, Json])
    """Blocks that have begun, and how far they are; see `engine/stages.py`."""
    failing: dict[str, Json] = field(default_factory=dict[str, Json])
    """Groups that fail or have failed, and why, by their place (`mounts.place`), since the run began or was opened
    again. What their parts show later changes nothing about it."""
    homes: dict[str, str] = field(default_factory=dict[str, str])
    """For node ids inside loops: the ids of the loops around them, by slashes."""
    finished: dict[tuple[str, Path], Path] = field(default_factory=dict[tuple[str, Path], Path])
    """Per node id and outer iteration (a prefix): the highest iteration that has an output."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    absent: dict[str, str] = field(default_factory=dict[str, str])
    """Keys whose output will never come, though the run goes on, and why: skipped, failed, denied."""
    signals: dict[str, dict[int, Json]] = field(default_factory=dict[str, dict[int, Json]])
    """Signals that nobody has taken: by name, then by position, in order of arrival."""
    spent: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """By scope with budgets: tokens and billionths of a dollar, since the run began or was resumed."""
    used: list[int] | None = None
    """By all nodes, since the run began or was resumed: input tokens, output tokens, billionths of a dollar; None where
    nothing was reported. A child run tells it to its parent each time it ends."""
    exceeded: dict[str, Json] = field(default_factory=dict[str, Json])
    """Budgets that frames have told to be exceeded."""
    cancelled: Json | None = None
    """The request to cancel the run."""
    paused: Json | None = None
    """Who has paused the run and why; None while it is not paused."""
    parent: Json | None = None
    """For the run of a subflow: `run`, `node` and `iteration` that it stands for, and its `depth`, from 1."""
    handover: Json | None = None
    """The run is to go on as another one: the `node` and `iteration` that say so, and the `state` that is carried."""
    continues: Json | None = None
    """For a run that goes on for another one: that `run`, the `root` of all, and more; see `engine/handover.py`."""
    carried: Any = None
    """JSON of what the run before has carried on."""

    @property
    def is_leaving(self) -> bool:
        """Whether nothing begins any more but cleanups: it is cancelled, or hands over."""
        return self.cancelled is not None or self.handover is not None

    @property
    def depth(self) -> int:
        """How many runs are above this one."""
        return 0 if self.parent is None else self.parent["depth"]

    def is_at_stake(self, key: str) -> bool:
        """Whether it matters that the node is not in the tree: people see it as open, or something works on it."""
        memory = self.nodes[key]
        return bool(memory.n) or memory.shown in OPEN_STATES

    @property
    def plan_is_due(self) -> bool:
        """Whether facts wait for a plan. While the run is paused they go on waiting."""
        return self.last_fact > self.planned and self.paused is None

    def memory(self, key: str) -> NodeMemory:
        found = self.nodes.get(key)
        if found is None:
            found = self.nodes[key] = NodeMemory()
        return found


def path_of(iteration: str) -> Path:
    """`"2.1"` as numbers; `""`, outside of loops, as the empty path."""
    return tuple(int(part) for part in iteration.split(".")) if iteration else ()


def most_in_flight(options: Json) -> int:
    """How many tasks of a run with these options may be in flight at once."""
    return int(options.get("max_in_flight") or MOST_IN_FLIGHT)
