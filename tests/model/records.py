"""The values a state of the model is made of. All are immutable and hashable."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .log import Log

FINAL = frozenset({"finished", "failed", "cancelled"})
Numbers = frozenset[int]
NONE: Numbers = frozenset()
Counts = tuple[tuple[str, int], ...]
"""How often, per attempt of a node (`name:a1`)."""


class Node(NamedTuple):
    """One element of the flow that a run carries out."""

    name: str
    kind: str = "task"
    """task, approval, timer, child."""
    after: tuple[str, ...] = ()
    burst: bool = False
    attempts: int = 1


class Rules(NamedTuple):
    """The rules of the protocol, each of which a test switches off."""

    look_up: bool = True
    """A delivery reads the log before its body begins, and stores a claim."""
    epoch_check: bool = True
    """Whoever works for an older epoch stores nothing and ends."""
    settle_closes: bool = True
    """`settled` closes its command."""
    plan_cas: bool = True
    """A frame is stored only if `planned` is still what the planner saw."""
    final_waits: bool = True
    """A run's final status is planned only when nothing is in flight."""
    first_fetch: bool = True
    """The first act of every Temporal run is a fetch."""
    sweeper: bool = True
    """Runs with unplanned facts or without a driver are rung."""
    sweep_unclaimed: bool = True
    """So are runs with an open command that nobody has claimed for a while."""
    lease_sweeper: bool = True
    """A child's command whose workflow is gone is settled."""
    owner_answers: bool = True
    """The driver leaves a command alone while the step that planned it is in flight."""
    held_fetched: bool = True
    """What the driver has left alone, and the owner's answer does not name, it fetches."""
    answers_since: bool = True
    """A step returns what is open of the frame that covers its fact, and of all later ones, whoever planned them."""
    safe_above: bool = True
    """`above` is never a number learned from a step's answer, and 0 after a loss."""
    answer_snapshot: bool = True
    """An answer is read from a position at which every fact is covered."""
    newest_claim: bool = True
    """A burst goes on only while its claim is the newest of its command."""
    burst_in_one: bool = True
    """A burst goes on only in the transaction that stored its fact and the frame."""
    settle_fenced: bool = True
    """A fetch does not settle what a newer Temporal run has begun."""
    newer_delivery: bool = True
    """A delivery that meets the claim of a newer delivery of its step ends."""
    child_epoch: bool = True
    """The id of a child workflow names the epoch."""
    bell_kept: bool = True
    """A bell during a fetch leads to another fetch."""
    resume_closes: bool = True
    """The first frame after a resume closes the `Fail` of before."""
    dead_waits: bool = True
    """A number marked dead is reported only once an answer has named it."""


class Case(NamedTuple):
    """What is explored: a flow, under some rules."""

    flow: tuple[Node, ...]
    rules: Rules = Rules()
    max_deaths: int = 3


class Faults(NamedTuple):
    """How many of each the explorer may still use."""

    crash: int = 0
    """A process dies with all that it knows; a crash just before the answer is a lost answer."""
    zombie: int = 0
    """Temporal gives a delivery up while its process lives on."""
    bell: int = 0
    """A ring gets lost."""
    spurious: int = 0
    """Somebody rings without need."""
    can: int = 0
    cancel: int = 0
    redrive: int = 0
    """The run is driven again on another server while the old one still lives."""
    restart: int = 0
    """The epoch is raised on the same server."""
    terminate: int = 0
    """Somebody ends the driver's workflow in Temporal."""
    fail: int = 0
    """A body fails."""
    resume: int = 0
    render: int = 0
    """Rendering fails until somebody mends the code."""


class Command(NamedTuple):
    n: int
    kind: str
    node: str = ""
    attempt: int = 0
    target: int = 0
    burst: bool = False
    owner: int = 0
    """The step that planned it; 0 is a fetch."""


class Frame(NamedTuple):
    number: int
    base: int
    covers: int
    owner: int
    commands: tuple[Command, ...]
    closed: tuple[int, ...]
    waiting: tuple[str, ...]
    status: str


class Entry(NamedTuple):
    kind: str
    key: str
    n: int = 0
    node: str = ""
    attempt: int = 0
    nth: int = 0
    owner: int = 0
    by: tuple[int, int] = (0, 0)
    """A claim's delivery: the driver's number, and Temporal's attempt."""
    outcome: str = ""
    frame: Frame | None = None
    epoch: int = 0
    """The writer's; 0 is a person."""


class Answer(NamedTuple):
    commands: tuple[Command, ...]
    done: str = ""
    """The run's final status, or `stale`."""


class Act(NamedTuple):
    """An activity as the server sees it. One with `d < 0` is the whole of a child workflow on server `-d`."""

    d: int
    n: int
    epoch: int
    gen: int
    """The driver it was started by: Temporal runs are ordered."""
    delivery: int = 1
    phase: str = "queued"
    """queued, running, answered."""
    above: int = 0
    settle: Numbers = NONE
    cancel: Numbers = NONE
    answer: Answer | None = None
    cancelled: bool = False


class Exec(NamedTuple):
    """A delivery in a worker's process. It lives on when the server has given it up: then it is a zombie."""

    d: int
    n: int
    delivery: int
    epoch: int
    gen: int
    pc: str = "look"
    """look, body, plan, write."""
    cur: int = 0
    nth: int = 0
    mine: int = 0
    """Position of its last fact: it answers once a frame covers it."""
    seen: int = 0
    above: int = 0
    settle: Numbers = NONE
    cancel: Numbers = NONE


class Driver(NamedTuple):
    """The workflow: what replay of its history gives at this point."""

    id: int
    home: int
    epoch: int
    seen: Numbers = NONE
    dead: Numbers = NONE
    timers: Numbers = NONE
    watched: Numbers = NONE
    settle: Numbers = NONE
    cancel: Numbers = NONE
    held: frozenset[tuple[int, int]] = frozenset()
    """What it has left alone because of its owner: number, owner."""
    mark: int = 0
    bell: bool = False
    full: bool = True
    """The next fetch asks from 0."""
    closing: bool = False
    ending: bool = False


class State(NamedTuple):
    log: Log
    faults: Faults
    home: int = 1
    ring: bool = True
    """A ring is on its way."""
    last_driver: int = 0
    drivers: tuple[Driver, ...] = ()
    acts: tuple[Act, ...] = ()
    execs: tuple[Exec, ...] = ()
    ran: Counts = ()
    """Ghost: executions, of attempts that have not ended."""
    excuses: int = 0
    """Ghost: deliveries cut off or given up while a body ran or was about to, less the bodies that ran again."""


class Move(NamedTuple):
    """One atomic action that a state allows."""

    label: tuple[str | int, ...]
    after: State
    fault: bool = False


def attempt_of(command: Command) -> str:
    return f"{command.node}:a{command.attempt}"


def bump(counts: Counts, key: str) -> Counts:
    found = dict(counts)
    found[key] = found.get(key, 0) + 1
    return tuple(sorted(found.items()))
