"""The values a state of the model is made of. All are immutable and hashable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.model.log import Log

FINAL = frozenset({"finished", "failed", "cancelled"})
Numbers = frozenset[int]
NONE: Numbers = frozenset()
Counts = tuple[tuple[str, int], ...]
"""How often, per attempt of a node (`name:a1`)."""
Label = tuple[str | int, ...]


class Node(NamedTuple):
    """One element of the flow that a run carries out."""

    name: str
    kind: str = "task"
    """task, approval, timer, child."""
    after: tuple[str, ...] = ()
    burst: bool = False
    attempts: int = 1


class Rules(NamedTuple):
    """The rules of the protocol. A test switches each off and expects the explorer to find what breaks."""

    look_up: bool = True
    """A delivery reads the log and stores a claim before its body begins."""
    epoch_check: bool = True
    """Whoever works for an older epoch stores nothing and ends."""
    settle_closes: bool = True
    """`settled` closes its command."""
    settle_fenced: bool = True
    """A fetch does not settle what a newer Temporal run has begun."""
    alone_released: bool = True
    """The death of a worker is not counted against a body that ran alone, in a process of its own."""
    plan_cas: bool = True
    """A frame is stored only if `planned` is still what the planner saw."""
    final_waits: bool = True
    """A run's final status is planned only when nothing is in flight."""
    resume_closes: bool = True
    """The transaction that resumes a run closes its `fail`."""
    asked_anew: bool = True
    """The key of a decision says which time the approval is asked: a resume takes a denial back."""
    first_fetch: bool = True
    """The first act of every Temporal run is a fetch."""
    bell_kept: bool = True
    """A bell during a fetch leads to another fetch."""
    owner_answers: bool = True
    """The driver leaves a command alone while the step that planned it is in flight."""
    left_fetched: bool = True
    """What the driver has left alone, and the owner's answer does not name, it fetches."""
    full_kept: bool = True
    """That the next fetch must ask from 0 is remembered apart from `above`, so that no answer undoes it."""
    safe_above: bool = True
    """`above` is never a number learned from a step's answer, and 0 after a loss."""
    dead_waits: bool = True
    """A number marked dead is reported only once an answer has named it."""
    child_epoch: bool = True
    """The id of a child workflow names the epoch."""
    answers_since: bool = True
    """A step returns what is open of the frame that covers its fact, and of all later ones, whoever planned them."""
    answer_snapshot: bool = True
    """An answer is read from a position at which every fact is covered."""
    newest_claim: bool = True
    """A burst goes on only while its claim is the newest of its command."""
    fetch_alone: bool = True
    """A fetch goes on with short work that it has planned only if no step was in flight when it was sent."""
    fetch_owns: bool = True
    """While such a fetch is in flight, the driver leaves alone what fetches have planned."""
    burst_in_one: bool = True
    """A burst goes on only in the transaction that stored its fact and the frame."""
    newer_delivery: bool = True
    """A delivery that meets the claim of a newer delivery of its step ends."""
    attach_looks: bool = True
    """Only the newer delivery, of the run's epoch, attaches to a running body."""
    sweeper: bool = True
    """Runs with unplanned facts, without a driver, or over but still driven, are rung."""
    sweep_unclaimed: bool = True
    """So are runs with an open command that nobody has claimed for a while."""
    looks_again: bool = True
    """The driver tries from time to time to start a child that an earlier Temporal run has started."""


class Case(NamedTuple):
    """What is explored: a flow, under some rules."""

    flow: tuple[Node, ...]
    rules: Rules = Rules()
    max_deaths: int = 3


class Faults(NamedTuple):
    """How many of each may still happen. People's doings that need not happen are here too."""

    crash: int = 0
    """A process dies with all that it knows; just before it answers, that is a lost answer."""
    body: int = 0
    """The process in which a body runs alone dies, and its worker lives on."""
    zombie: int = 0
    """Temporal gives a delivery up while its process lives on."""
    bell: int = 0
    """A ring gets lost."""
    spurious: int = 0
    """Somebody rings without need."""
    can: int = 0
    """The driver continues as new."""
    cancel: int = 0
    redrive: int = 0
    """The run is driven again on another server while the old one still lives."""
    restart: int = 0
    """The epoch is raised on the same server."""
    terminate: int = 0
    """Somebody ends the driver's workflow in Temporal."""
    fail: int = 0
    """A body fails."""
    deny: int = 0
    """A person denies, and that fails the run."""
    resume: int = 0
    """A failed run is taken up again."""
    render: int = 0
    """Rendering fails until somebody mends the code."""

    def use(self, name: str) -> Faults:
        return self._replace(**{name: getattr(self, name) - 1})


class Command(NamedTuple):
    n: int
    kind: str
    """run, child, timer, cancel, complete, fail."""
    node: str = ""
    attempt: int = 0
    target: int = 0
    burst: bool = False
    owner: int = 0
    """The step that planned it; 0 is a fetch."""

    @property
    def place(self) -> str:
        return f"{self.node}:a{self.attempt}"


class Frame(NamedTuple):
    number: int
    covers: int
    owner: int
    commands: tuple[Command, ...]
    closed: tuple[int, ...]
    waiting: tuple[str, ...]
    status: str


class Entry(NamedTuple):
    """A line of the log."""

    kind: str
    key: str
    n: int = 0
    place: str = ""
    nth: int = 0
    owner: int = 0
    by: tuple[int, int] = (0, 0)
    """A claim's delivery: number of the Temporal run, and Temporal's attempt in it."""
    outcome: str = ""
    """Of `ended`. Of `died`: `body` if the body's own process died, and not its worker's. Of `decided`: `denied`."""
    alone: bool = False
    """A claim's body runs in a process of its own."""
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
    """The driver that started it. Temporal runs are ordered, by the time of their start."""
    delivery: int = 1
    phase: str = "queued"
    """queued, running, answered."""
    above: int = 0
    settle: Numbers = NONE
    cancel: Numbers = NONE
    alone: bool = False
    """A fetch that was sent while no other step of the driver was in flight."""
    answer: Answer | None = None
    cancelled: bool = False

    @property
    def place(self) -> tuple[int, int, int]:
        return self.d, self.n, self.epoch


class Exec(NamedTuple):
    """A delivery in some worker's process. It lives on when the server has given it up: then it is a zombie."""

    d: int
    n: int
    epoch: int
    delivery: int
    gen: int
    pc: str = "look"
    """look, body, plan, write."""
    cur: int = 0
    """The command whose body it runs."""
    nth: int = 0
    mine: int = 0
    """Position of its last fact."""
    seen: int = 0
    above: int = 0
    settle: Numbers = NONE
    cancel: Numbers = NONE
    alone: bool = False

    @property
    def place(self) -> tuple[int, int, int]:
        return self.d, self.n, self.epoch


class Driver(NamedTuple):
    """The workflow: what a replay of its history gives at this point."""

    id: int
    home: int
    epoch: int
    seen: Numbers = NONE
    dead: Numbers = NONE
    timers: Numbers = NONE
    watched: Numbers = NONE
    """Children that this Temporal run has started."""
    foreign: Numbers = NONE
    """Children that it has found running."""
    settle: Numbers = NONE
    cancel: Numbers = NONE
    left: frozenset[tuple[int, int]] = frozenset()
    """What it has left alone because of its owner: number, owner."""
    mark: int = 0
    """The highest number in a fetch's answer."""
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

    label: Label
    then: Callable[[], State]
    kind: str = ""
    """fault; or who else saw to it: sweep, unclaimed, look again."""


def bump(counts: Counts, key: str) -> Counts:
    found = dict(counts)
    found[key] = found.get(key, 0) + 1
    return tuple(sorted(found.items()))
