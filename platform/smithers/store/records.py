"""What goes into the store and what comes out: plain values, the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Fact, Json, Kind
from smithers.engine.frame import NodeRow


@dataclass(frozen=True, slots=True)
class NewRun:
    run_id: str
    workflow: str
    input: Json
    digest: str
    """Digest of the code the run is pinned to."""
    source: str
    """Path of the workflow file, absolute, as the starter saw it."""
    options: Json = field(default_factory=dict[str, Any])
    """`max_in_flight` and the like; kept in the `started` entry too."""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str = ""
    """Stands for this request in the whole store: it makes one run, however often it comes. Empty: none."""
    parent: Json | None = None
    """For the run of a subflow: `run`, `node` and `iteration` that it stands for, and its `depth`, from 1."""
    continues: Json | None = None
    """For a run that goes on for another one: see `engine/handover.py`."""
    kept: tuple[Fact, ...] = ()
    """What its log has behind the first entry, then."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A child run that is to be started for a command of its parent, in one transaction on both."""

    child: NewRun
    """Its `parent` says whose it is."""
    command: Command
    """The parent's, of kind `subflow`."""
    epoch: int
    """The parent's, for which the writer works."""
    goes_on: str = ""
    """Id of an earlier child run that has failed and is to go on instead of a fresh one."""
    by: Json = field(default_factory=dict[str, Any])
    """Which delivery of which step starts it, and where."""


@dataclass(frozen=True, slots=True)
class Launched:
    run_id: str = ""
    """The child that carries the command out; empty where the command is closed, and nobody does."""
    is_over: bool = False
    """It had finished already, and the parent's node with it."""
    root: str = ""
    """The run that it goes on for, the first of its chain; empty or its own id where it goes on for none."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a child run has ended, for its parent: stored with the frame that ends the child."""

    run_id: str
    """The parent."""
    node: str
    iteration: str
    data: Json
    """Fields of the `ended` fact, but for its place; see `engine/subflows.py`."""
    root: str = ""
    """The run that was launched, where the child goes on for that one; empty: the child itself."""


def started(new: NewRun) -> Json:
    """What the run's first entry holds."""
    data: Json = {
        "workflow": new.workflow,
        "input": new.input,
        "digest": new.digest,
        "source": new.source,
        "options": new.options,
    }
    data |= {"tags": new.tags} if new.tags else {}
    data |= {"parent": new.parent} if new.parent else {}
    data |= {"continues": new.continues} if new.continues else {}
    return data | ({"idempotency_key": new.idempotency_key} if new.idempotency_key else {})


@dataclass(frozen=True, slots=True)
class Sources:
    """The code that a digest stands for."""

    digest: str
    entry: str
    """The workflow file's name in `files`."""
    files: Mapping[str, bytes] = field(repr=False)
    """By path below the folder that holds all of them, with slashes."""
    environment: Json = field(default_factory=dict[str, Any])
    """`{"python": version, "packages": {name: version}}` of the process that kept them."""


@dataclass(frozen=True, slots=True)
class Run:
    run_id: str
    workflow: str
    status: str
    """running, waiting-approval, waiting-event, waiting-queue, waiting-timer, waiting-code, paused, finished,
    failed, cancelled, continued."""
    epoch: int
    head: int
    """Position of the last entry."""
    planned: int
    """Position that the last frame covers; lower than the last fact means that a plan is due."""
    digest: str
    source: str
    input: Json
    options: Json
    created_ms: int
    updated_ms: int
    error: Json | None
    """Why it failed: `{code, message, node?, iteration?, data?}`."""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str = ""
    parent: Json | None = None
    """For the run of a subflow: `run`, `node`, `iteration`, `depth`."""
    continues: Json | None = None
    """For a run that goes on for another one: `run`, `root`, `generation`, `idle`; see `engine/handover.py`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Starts a run at times. The first six are what somebody asked for."""

    name: str
    when: Json
    """`{"cron", "zone"}` or `{"every_s"}`, and `{"overlap", "catch_up_s"}`."""
    request: Json
    """What to start: `{"file", "workflow", "input", "options", "tags"}`."""
    paused: bool = False
    note: str = ""
    revision: int = 1
    """Raised by every change."""
    created_ms: int = 0
    last_ms: int = 0
    """When it last fell due, as scheduled; 0 for never."""
    last_run: str = ""
    """The run that was started then."""
    error: Json | None = None
    """Why nothing could be started when it last fell due: `{code, message, data}`."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which runs are meant: those that fit everything that is given."""

    statuses: Sequence[str] = ()
    workflow: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    input: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values by path, such as `{"order.id": "17"}`; see `marks.py` for what is found."""
    since_ms: int | None = None
    """Made at this time or later."""
    until_ms: int | None = None
    """Made before this time."""
    prefix: str = ""
    """What the run's id begins with."""
    parent: str = ""
    """Only runs that subflows of this run have started."""
    chain: str = ""
    """Only runs that go on for this one, the first of its chain."""
    before: str = ""
    """Only runs older than this one, by its id: the last one of the page before."""
    limit: int = 20


@dataclass(frozen=True, slots=True)
class PlanWrite:
    """A frame with its commands. Stored only if `base` is still the run's `planned` position, and no node was reset
    behind what it covers."""

    base: int
    covers: int
    """Position of the last entry that the plan has seen; -1: up to the last fact of this same batch, which then
    must follow directly on `head_seen`."""
    owner: int
    """Number of the step that planned; 0 is a fetch."""
    frame: Fact
    commands: tuple[Command, ...]
    closed: tuple[int, ...] = ()
    """Numbers of open commands that need no carrying out any more (a `cancel` that was done, a dead timer)."""
    nodes: tuple[NodeRow, ...] = ()
    status: str = "running"
    """The run's status from this frame on."""
    error: Json | None = None
    digest: str = ""
    """Digest of the code that planned; must be the digest the run is pinned to."""
    told: Told | None = None
    """For the frame that ends a child run."""
    unless: tuple[str, ...] = ()
    """Keys of entries with which the plan does not hold."""
    successor: NewRun | None = None
    """For the frame that ends a run as `continued`: the one that goes on for it. Such a frame is stored only if it
    covers everything in the log but what the same transaction puts there: whatever comes later is for the other run."""
    carried_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went with a run."""

    run_id: str
    entries: int
    blobs: int
    blob_bytes: int
    """Of their contents, uncompressed."""


@dataclass(frozen=True, slots=True)
class Append:
    """One transaction on one run: facts first, then the plan, then what follows from it."""

    run_id: str
    facts: tuple[Fact, ...] = ()
    plan: PlanWrite | None = None
    epoch: int | None = None
    """The run's epoch the writer works for; None (people, the API) is any."""
    head_seen: int = -1
    """With `plan.covers == -1`: the plan is stored only if the log still ended here before these facts."""
    among_claims: bool = False
    """Or if nothing came since but first claims, which change no plan: other tasks of the run have begun."""
    keep_rejected: bool = False
    """Store a fact that is not valid as a `rejected` entry, so that a person can see it."""
    code: str = ""
    """Digest of the code that writes."""
    after: tuple[Fact, ...] = ()
    """Facts that follow the frame: stored only if the plan was. A burst claims the command that the plan makes."""
    synced: bool = True
    """False: it may be lost with the whole machine, though not with any process; see `Database.write`."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of the entries that it adds, if everything is stored."""
        facts = (*self.facts, *([self.plan.frame] if self.plan else ()), *self.after)
        other = self.plan.successor if self.plan else None
        made: tuple[Kind, ...] = () if other is None else ("continued", *(fact.kind for fact in other.kept))
        return (*(fact.kind for fact in facts), *made)


@dataclass(frozen=True, slots=True)
class Appended:
    outcomes: tuple[str, ...]
    """Per fact, those of `after` last: `stored`, `duplicate` (its key is there), `rejected` (its need is not met),
    `skipped` (it is in `after`, and the plan was not stored)."""
    planned: bool
    """Whether the plan was stored. False with a plan given: others have written; read on and plan again."""
    entries: tuple[Entry, ...]
    """What this transaction stored, in order."""
    head: int
    epoch: int
    queues: tuple[str, ...] = ()
    """Queues in which somebody has begun to wait, or a slot may have become free."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A task that waits for its turn in a queue, or has it."""

    run_id: str
    node: str
    iteration: str
    held: bool
    priority: int
    limit: int
    """As its run has it."""
    since_ms: int
    """When it began to wait."""


@dataclass(frozen=True, slots=True)
class OpenCommandRow:
    """A command that is not closed, with who made it."""

    command: Command
    epoch: int
    owner: int


@dataclass(frozen=True, slots=True)
class CachedOutput:
    """An output that other runs may take."""

    key: str
    run_id: str
    """The run that has produced it."""
    workflow: str
    node: str
    version: str
    """As its author has given it."""
    stored_ms: int
    hits: int = 0
    """How often it was taken."""
    used_ms: int = 0
    """When it was taken last; 0 for never."""
    output: Any = None
    """JSON; None in lists."""


@dataclass(frozen=True, slots=True)
class LogLine:
    run_id: str
    node: str
    iteration: str
    attempt: int
    at_ms: int
    stream: str
    """stdout, stderr, log, progress."""
    text: str
