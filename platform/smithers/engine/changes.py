"""What the next frame has to say."""

from __future__ import annotations

from dataclasses import dataclass, field

from smithers.engine.entry import Json
from smithers.engine.mounts import Group, Leaf
from smithers.engine.people import Settled


@dataclass(slots=True, eq=False)
class Changes:
    """What the next frame has to say, gathered while the tree moves."""

    leaves: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Leaves whose state people see may have changed."""
    candidates: list[Leaf] = field(default_factory=list[Leaf])
    admitted: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Tasks whose turn in a queue has come. They hold their slots in all groups already."""
    timers: list[Leaf] = field(default_factory=list[Leaf])
    asked: list[Leaf] = field(default_factory=list[Leaf])
    """Leaves that ask people now, as before or anew."""
    people: Settled = field(default_factory=Settled)
    freed: dict[Group, None] = field(default_factory=dict[Group, None])
    withdrawn: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Mounted and in flight, and to be cancelled."""
    loops: dict[str, int] = field(default_factory=dict[str, int])
    ended_loops: dict[str, str] = field(default_factory=dict[str, str])
    stages: dict[str, Json] = field(default_factory=dict[str, Json])
    absent: dict[str, str] = field(default_factory=dict[str, str])
    gone: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Leaves that were over when their stage was left: no longer mounted, but people are told how they ended."""
    final: dict[str, str] = field(default_factory=dict[str, str])
    """Leaves that this plan itself ends: skipped or cancelled."""
    passes: int = 0
    waits: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Leaves that wait for an event, and that no frame has told yet."""
    events: dict[str, Json] = field(default_factory=dict[str, Json])
    """How waits for events have ended; see `fold.resolve`."""
    waited: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """The leaves of these: a loop may have gone on to its next pass since."""
    refused: dict[str, Json] = field(default_factory=dict[str, Json])
    """Tasks that a spent budget fails, and why; see `engine/budgets.py`."""
    exceeded: dict[str, Json] = field(default_factory=dict[str, Json])
    """Budgets that are exceeded now."""
    handovers: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Leaves whose turn has come that hand the run over."""
    handover: Json | None = None
    """How this plan has the run go on as another one."""
    unfit: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Signals that a wait cannot take, by its key: position and why."""
