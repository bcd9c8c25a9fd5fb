"""What a process knows of one run: its planner, and as much of the log as a step's answer needs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Fact, Json
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.frame import NodeRow, Plan
from smithers.engine.plan import Planner
from smithers.engine.state import ASKED, State
from smithers.temporal.order import Carried
from smithers.temporal.running import Job

FRAMES_KEPT: Final = 512
COMPANY: Final = 2000
"""Entries for which facts from elsewhere are remembered."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A frame in the log."""

    covers: int
    before: int
    """The last number that was given to a command before it."""


@dataclass(slots=True, eq=False)
class Offer:
    """The end of a body, to be stored with those of others."""

    fact: Fact
    done: bool = False
    outcome: str = ""
    position: int = 0
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class OpenCommands:
    """The commands that were open when the last frame was stored: what a step may answer with, without reading.

    That is an older moment than now, but one at which every fact was planned. Commands that facts have closed since
    are still in it; a driver that takes one up is told so by its step.
    """

    known: bool = False
    """Whether it holds all of them. The log does not say when a command is due, so frames of others make it unknown."""
    commands: dict[int, Carried] = field(default_factory=dict[int, Carried])
    """By number, ascending."""
    _leaving: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Facts that have closed commands since the last frame: position and number."""

    def close(self, position: int, n: int) -> None:
        self._leaving.append((position, n))

    def frame(self, covers: int, closed: Iterable[int], added: Iterable[Carried] | None) -> None:
        """`added` is None for a frame that was planned elsewhere."""
        for position, n in self._leaving:
            if position <= covers:
                self.commands.pop(n, None)
        self._leaving = [(position, n) for position, n in self._leaving if position > covers]
        for n in closed:
            self.commands.pop(n, None)
        if added is None:
            self.known = False
        else:
            self.commands.update((command.n, command) for command in added)

    def learn(self, commands: Iterable[Carried]) -> None:
        """All that are open, read at a moment at which every fact was planned."""
        self.commands = {command.n: command for command in commands}
        self._leaving.clear()
        self.known = True


@dataclass(slots=True, eq=False)
class RunPlans:
    """Everything but `planner` being None is a copy of the log."""

    run_id: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    job: Job | None = None
    """Of the step that holds the lock."""
    rendering: float = 0.0
    """When the author's code was entered; 0 while it does not run."""
    abandoned: bool = False
    """Rendering hangs, and its thread holds the lock: others use a new object."""
    hung: bool = False
    """This is that new object: do not try again before it has been said."""
    planner: Planner | None = None
    mine: tuple[Plan, int] | None = None
    """The plan that this process has stored last, and its owner."""
    open: OpenCommands = field(default_factory=OpenCommands)
    commands: dict[int, Command] = field(default_factory=dict[int, Command])
    """Those that this process has planned and that are open, as far as it knows."""
    claims: dict[int, int] = field(default_factory=dict[int, int])
    """The newest claim of each command that has one and is open."""
    frames: deque[Stored] = field(default_factory=lambda: deque[Stored](maxlen=FRAMES_KEPT))
    numbers: int = 0
    """The last number given to a command."""
    last_fact: int = 0
    """Position of the last entry that asks for a plan."""
    offers: deque[Offer] = field(default_factory=deque["Offer"])
    """Ends of quick bodies that wait for whoever gets the lock next."""
    company: int = 0
    """Position of the last facts that came from elsewhere, as far as was seen."""
    waits: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Nodes, with their iterations, that wait for people or events."""
    failed: set[int] = field(default_factory=set[int])
    """Positions whose plan failed with the code at hand."""
    snapshot: int = 0
    """Position of the newest snapshot, as far as is known."""

    @property
    def nodes(self) -> int:
        """How many its planner remembers."""
        planner = self.planner
        return 0 if planner is None else len(planner.state.nodes)

    @property
    def has_company(self) -> bool:
        """Whether others may be writing to this log: somebody is asked, or others have written lately."""
        planner = self.planner
        return bool(self.waits) or (self.company > 0 and (planner is None or planner.position - self.company < COMPANY))

    @property
    def waits_for_code(self) -> bool:
        return self.last_fact in self.failed

    @property
    def covers(self) -> int:
        """Position that the last frame covers."""
        return self.frames[-1].covers if self.frames else 0

    def begin_at(self, state: State) -> None:
        """Takes a state for the log up to its position. What was open then, the store is asked."""
        self.snapshot, self.numbers, self.last_fact = state.position, state.commands, state.last_fact
        self.frames.append(Stored(state.planned, 0))

    def watch(self, rows: Iterable[NodeRow]) -> None:
        """Notes what a stored frame shows of waits."""
        for row in rows:
            change = self.waits.add if row.state in ASKED else self.waits.discard
            change((row.node, row.iteration))

    def meet(self, entries: Iterable[Entry]) -> None:
        """Notes facts that came from elsewhere. Claims change no plan."""
        self.company = max([self.company, *(entry.seq for entry in entries if entry.kind in UNPLANNED_KINDS)])

    def note(self, entries: Sequence[Entry], digest: str) -> None:
        for entry in entries:
            data = entry.data
            if entry.kind in UNPLANNED_KINDS:
                self.last_fact = entry.seq
            match entry.kind:
                case "claim":
                    self.claims[data["n"]] = data["nth"]
                case "ended" | "settled" | "fired" | "reminded" | "escalated" | "admitted":
                    self.claims.pop(data["n"], None)
                    self.commands.pop(data["n"], None)
                    self.open.close(entry.seq, data["n"])
                case "frame":
                    self.note_frame(data, entry.at_ms)
                case "render_failed" if data["digest"] == digest:
                    self.failed.add(data["covers"])
                case _:
                    pass

    def note_frame(self, data: Json, at_ms: int) -> None:
        plan, owner = self.mine or (None, 0)
        added: tuple[Carried, ...] | None = None
        if plan is not None and plan.number == data["number"]:
            added = carried(plan, owner, at_ms)
            self.commands.update((command.n, command) for command in plan.commands if command.kind == "run")
        self.open.frame(data["covers"], data.get("closed", ()), added)
        self.frames.append(Stored(data["covers"], self.numbers))
        self.numbers = max([self.numbers, *(command[0] for command in data.get("commands", ()))])

    def before(self, position: int) -> int:
        """The last number given before the frame that the fact at `position` led to; 0 if that is not known."""
        found = 0
        for frame in reversed(self.frames):
            if frame.covers < position:
                return found
            found = frame.before
        return 0

    def answers_for(self, position: int) -> tuple[Carried, ...] | None:
        """The commands that the frame which covers a fact, and later ones, have started; None if that is not known."""
        if not self.open.known or not position or position > self.covers:
            return None
        above = self.before(position)
        newest = takewhile(lambda n: n > above, reversed(self.open.commands))
        return tuple(self.open.commands[n] for n in reversed(list(newest)))

    def forget(self) -> None:
        self.planner = None
        self.numbers = 0
        self.open = OpenCommands()
        self.commands.clear()
        self.claims.clear()
        self.frames.clear()
        self.waits.clear()


def carried(plan: Plan, owner: int, at_ms: int) -> tuple[Carried, ...]:
    """A stored plan's commands as the store would give them back. It counts delays from the frame's time."""
    return tuple(
        Carried(c.n, c.kind, owner, c.target, at_ms + c.delay_ms if c.delay_ms > 0 else c.due_ms, c.timeout_ms)
        for c in plan.commands
        if c.kind != "turn"
    )
