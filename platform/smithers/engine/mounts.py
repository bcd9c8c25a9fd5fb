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
from smithers.flow.human import HumanTask
from smithers.flow.loop import Loop
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
LeafElement = Task[Any] | Approval | HumanTask[Any] | Timer


@dataclass(slots=True, eq=False)
class Mount:
    """A place in the tree."""

    parent: Group | None
    index: int
    scope: Scope
    status: str = field(default=IDLE, kw_only=True)
    attached: bool = field(default=True, kw_only=True)

    def ancestors(self) -> Iterator[Group]:
        """Innermost first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    def path(self) -> Path:
        """Indexes from the root down: it sorts as the tree reads."""
        return tuple(reversed([self.index, *(group.index for group in self.ancestors())]))


@dataclass(slots=True, eq=False)
class Leaf(Mount):
    """A task, an approval, a human task or a timer."""

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
    """It asks a person."""
    error: Json | None = None
    """Why it failed, once that is final."""

    @property
    def kind(self) -> str:
        return type(self.element).__name__.lower()


@dataclass(slots=True, eq=False)
class Group(Mount):
    """Children in sequence or in parallel."""

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
    running: int = 0
    """Tasks in flight anywhere below."""
    failing: bool = False
    parked: list[tuple[Path, int, Leaf]] = field(default_factory=list[tuple[Path, int, Leaf]])
    """A heap of ready leaves that wait for a slot of this group."""
    queued: bool = False
    error: Json | None = None

    def leaves(self) -> Iterator[Leaf]:
        """Depth first, in order."""
        stack: list[Mount] = [*reversed(self.children)]
        while stack:
            mount = stack.pop()
            if isinstance(mount, Leaf):
                yield mount
            elif isinstance(mount, Group):
                stack.extend(reversed(mount.children))


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


@dataclass(slots=True, eq=False)
class LoopGroup(Group):
    """A loop with its current pass as its only child."""

    loop: Loop = field(kw_only=True)
    key: str = ""
    turn: int = -1
    """The pass that is mounted; -1 is none."""
