"""The mounted tree: what is rendered now, with the little that makes going on from one event cheap.

It is derived: thrown away and built again from the state at any time, it comes out the same. That is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.engine.entry import Json
from smithers.engine.scope import Scope
from smithers.engine.state import Path
from smithers.flow.approval import Approval
from smithers.flow.aspects import Aspects
from smithers.flow.continuing import ContinueAsNew
from smithers.flow.event import WaitForEvent
from smithers.flow.guard import Guard
from smithers.flow.human import HumanTask
from smithers.flow.loop import Loop
from smithers.flow.queue import Queue
from smithers.flow.subflow import Outcome
from smithers.flow.task import Task
from smithers.flow.wait import Timer
from smithers.flow.where import Where

IDLE: Final = "idle"
ACTIVE: Final = "active"
DONE: Final = "done"
FAILED: Final = "failed"
FINAL: Final = (DONE, FAILED)
WIDTH: Final = 2**52
"""Ordinals are below this."""
KINDS: Final = {"WaitForEvent": "wait-for-event", "Outcome": "subflow", "ContinueAsNew": "continue-as-new"}
"""Of elements that people know under another name than their own in lower case."""
LeafElement = Task[Any] | Approval | HumanTask[Any] | Timer | WaitForEvent[Any] | Outcome | ContinueAsNew


@dataclass(slots=True, eq=False)
class Mount:
    """A place in the tree."""

    parent: Group | None
    index: int
    scope: Scope
    status: str = field(default=IDLE, kw_only=True)
    attached: bool = field(default=True, kw_only=True)
    aside: bool = field(default=False, kw_only=True)
    """Waits for an event or a person without holding up what comes after it; see `Advance.step_aside`."""

    def ancestors(self) -> Iterator[Group]:
        """Innermost first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    @property
    def is_halted(self) -> bool:
        """Whether nothing begins here any more: a group around it fails, or is closed. Cleanups are shielded."""
        for group in self.ancestors():
            if group.failing or group.closed:
                return True
            if group.shielded:
                return False
        return False

    def path(self) -> Path:
        """Indexes from the root down: it sorts as the tree reads."""
        return tuple(reversed([self.index, *(group.index for group in self.ancestors())]))


@dataclass(slots=True, eq=False)
class Leaf(Mount):
    """A task, an approval, a human task, a timer or a wait for an event."""

    element: LeafElement
    key: str
    ordinal: int = 0
    born: int = 0
    """Which mount of this tree it is: tells a leaf from one that was taken down in the same place."""
    order: Path = ()
    ready: bool = False
    """Wants a slot."""
    in_flight: bool = False
    """Counted in the groups above."""
    waiting: bool = False
    """It asks a person, or is a wait that is open for events."""
    error: Json | None = None
    """Why it failed, once that is final."""

    @property
    def is_left_behind(self) -> bool:
        """Whether its turn has not come where nothing begins any more. It may have been in flight all the same: what
        stands before it has come to it since."""
        return self.status == IDLE and self.is_halted

    @property
    def kind(self) -> str:
        name = type(self.element).__name__
        return KINDS.get(name, name.lower())


@dataclass(slots=True, eq=False)
class Group(Mount):
    """Children in sequence or in parallel."""

    id: str = ""
    """As the author has written it; parts have none."""
    kind: str = ""
    """What people see: sequence, parallel, merge-queue; empty for the others, which have elements of their own."""
    low: int = 0
    """Where its leaves' ordinals begin; see `Tree.adopt`."""
    step: int = WIDTH
    """How far the ordinals of its children are apart."""
    parallel: bool = False
    cap: int | None = None
    fail_fast: bool = False
    children: list[Mount] = field(default_factory=list[Mount])
    cursor: int = 0
    """In sequence: the first child that is not done."""
    open: int = 0
    """In parallel: children that are not final."""
    asides: int = 0
    """Children that stand aside."""
    running: int = 0
    """Tasks in flight anywhere below."""
    held: int = 0
    """Blocks anywhere below that have begun and will clean up before they end."""
    failing: bool = False
    closed: bool = False
    """Nothing begins below any more, for another reason than a failure."""
    shielded: bool = False
    """Goes on though a group around it fails or the run is cancelled: it cleans up."""
    tolerant: bool = False
    """A child that fails does not keep the others from running."""
    shared: Queue | None = None
    """The queue of all runs in which the tasks below wait for a turn."""
    parked: list[tuple[Path, int, Leaf]] = field(default_factory=list[tuple[Path, int, Leaf]])
    """A heap of ready leaves that wait for a slot of this group."""
    queued: bool = False
    error: Json | None = None
    lost: Json | None = None
    """Why it fails, as a frame has said: what failed in it may have left the tree since."""

    def leaves(self) -> Iterator[Leaf]:
        """Depth first, in order."""
        return (mount for mount in self.below() if isinstance(mount, Leaf))

    def below(self, *, shielded: bool = True) -> Iterator[Mount]:
        """All mounts, depth first, in order; or only those that a halt of this group concerns."""
        stack: list[Mount] = [*reversed(self.children)]
        while stack:
            mount = stack.pop()
            if isinstance(mount, Group):
                if mount.shielded and not shielded:
                    continue
                stack.extend(reversed(mount.children))
            yield mount

    @property
    def is_quiet(self) -> bool:
        """Whether nothing below is in flight or has to clean up."""
        return not self.running and not self.held


Need = tuple[int, int]
"""What a task reserves in budgets: tokens, billionths of a dollar."""


@dataclass(slots=True, eq=False)
class AspectsGroup(Group):
    """A scope with budgets; see `engine/budgets.py`."""

    aspects: Aspects = field(kw_only=True)
    key: str = ""
    unfunded: dict[Need, list[tuple[Path, int, Leaf]]] = field(default_factory=dict[Need, list[tuple[Path, int, Leaf]]])
    """Heaps of ready leaves that wait until what they need can be reserved here, by what that is."""
    spent: bool = False
    """Nothing begins below any more, for want of tokens or money."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The read that suspended a part."""

    node: str
    iteration: str
    model: str
    where: Where


@dataclass(slots=True, eq=False)
class PartGroup(Group):
    """A function used as a child, with what it rendered last. The root is one, too."""

    function: Callable[[], Any] = field(kw_only=True)
    where: Where = field(kw_only=True)
    suspended: Missing | None = None
    reads: dict[str, None] = field(default_factory=dict[str, None])
    """Ids of the nodes it has read, in order."""
    beside: bool = False
    """Stands aside with the async signal whose payload it is for."""


@dataclass(slots=True, eq=False)
class LoopGroup(Group):
    """A loop with its current pass as its only child."""

    loop: Loop = field(kw_only=True)
    key: str = ""
    turn: int = -1
    """The pass that is mounted; -1 is none."""


@dataclass(slots=True, eq=False)
class GuardGroup(Group):
    """A block with its current stage as its only child; see `engine/stages.py`."""

    guard: Guard = field(kw_only=True)
    key: str = ""
    stage: str = ""
    """The stage that is mounted; empty is none."""
    holding: bool = False
    """Counted in the groups above."""


def place(group: Group) -> str:
    """A name for where a group stands, which parts that render again leave as it is: indexes below the nearest pass,
    stage or scope."""
    steps: list[str] = []
    at: Group = group
    while at.parent is not None:
        match at.parent:
            case LoopGroup(key=key, turn=turn):
                return ".".join([f"{key}#{turn}", *reversed(steps)])
            case GuardGroup(key=key, stage=stage):
                return ".".join([f"{key}#{stage}", *reversed(steps)])
            case _:
                steps.append(str(at.index))
                at = at.parent
    return ".".join(reversed(steps))
