"""The planner: one log in, numbered commands out.

It keeps a state (folded from the log), the mounted tree (rendered from the state), and does three things: `apply` folds
entries and notes what they touch; `plan` moves the tree on, starts what may start and says so as a frame with commands;
`stored` takes note of what the store made of it. Between `plan` and `stored` the planner is ahead of the log; if the
store refuses, the planner is thrown away and built again: nothing is ever undone.

Nothing in here reads a clock, a file or a random number: the same entries give the same frame in any process. Delays
are relative (`delay_ms`), and the store stamps the time. Jitter is a checksum of the run, the node and the attempt.

A cold planner (`Planner.build`) folds the whole log and mounts the whole tree. A warm one pays for what changed. Tests
hold them against each other on generated trees after every entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from zlib import crc32

from pydantic_core import from_json, to_json

from smithers.engine import nudges, ruling
from smithers.engine.advance import Advance
from smithers.engine.blocks import failure_of
from smithers.engine.budgets import charge_of, limits_of, per_task_ms
from smithers.engine.caching import cache_of
from smithers.engine.changes import Changes
from smithers.engine.command import STOPPING, Command, is_nudge
from smithers.engine.entry import Entry, Fact, Json, decided_key, node_key, split_node_key
from smithers.engine.failing import note_failing
from smithers.engine.fold import fold
from smithers.engine.frame import NodeRow, Plan
from smithers.engine.handover import hand_over, reached
from smithers.engine.judge import judge
from smithers.engine.mounts import DONE, FAILED, FINAL, Leaf
from smithers.engine.parts import put_up_anew, render_dirty
from smithers.engine.payload import payload, timeout_ms
from smithers.engine.people import ask_of
from smithers.engine.reads import validated
from smithers.engine.rows import row
from smithers.engine.slots import start_ready
from smithers.engine.state import CONTINUED, QUEUED, NodeMemory, State
from smithers.engine.state import FINAL as OVER
from smithers.engine.stuck import why_stuck
from smithers.engine.subflows import checked, child_payload
from smithers.engine.tree import Tree
from smithers.engine.turns import (
    asks_for_turn,
    check_limits,
    has_turn,
    left,
    of_body,
    queue_around,
    ticket,
    waits_for_turn,
)
from smithers.engine.waits import check, outputs_of
from smithers.errors import RenderError
from smithers.flow.body import TaskBody
from smithers.flow.event import WaitForEvent
from smithers.flow.policy import duration, milliseconds
from smithers.flow.subflow import Subflow
from smithers.flow.task import Task
from smithers.flow.wait import Timer
from smithers.flow.workflow import AnyWorkflow

LONG_MS = 60_000
"""Work that may take longer than this runs in a child workflow."""


class Outdated(Exception):
    """The log holds a frame that this planner has not made: build a new one."""


@dataclass(slots=True, eq=False)
class Planner:
    """One per run and process. Not safe for use by several threads at once."""

    workflow: AnyWorkflow
    state: State
    tree: Tree = field(init=False)
    advance: Advance = field(init=False)
    own: int = 0
    """Number of the frame that was planned here and has not been folded yet."""
    touched: dict[str, None] = field(default_factory=dict[str, None])
    told: set[int] = field(default_factory=set[int])
    """Numbers of commands that were told to stop: all that are open, and some that are not any more."""

    def __post_init__(self) -> None:
        self.tree = Tree(self.workflow, self.state)
        self.advance = Advance(self.tree)
        nodes = self.state.nodes
        self.told.update(n for n, key in self.state.by_command.items() if nodes[key].cancelling)

    @classmethod
    def build(cls, workflow: AnyWorkflow, run_id: str, entries: Iterable[Entry], known: State | None = None) -> Planner:
        """A cold start from the log, or from a state that is `known` and the entries that follow it.

        Raises `RenderError`, also for whatever the author's code raises.
        """
        return cls(workflow, fold(known or State(run_id=run_id), entries))

    @property
    def position(self) -> int:
        return self.state.position

    @property
    def planned(self) -> int:
        return self.state.planned

    @property
    def status(self) -> str:
        return self.state.status

    @property
    def in_flight(self) -> int:
        """Open commands that something is done for: tasks, children, subflows, timers."""
        return len(self.state.by_command)

    @property
    def due(self) -> bool:
        return self.state.plan_is_due

    def apply(self, entries: Sequence[Entry]) -> None:
        """Catches up with the log.

        A frame that was planned elsewhere is planned here as well, and must come out the same. Raises `Outdated` where
        it does not, where it did not cover all that stands before it, and where a run was opened again or has
        other code or other input.
        """
        for entry in entries:
            if entry.seq <= self.state.position:
                continue
            if entry.kind in ("resumed", "retried", "follow", "amended"):
                raise Outdated
            if entry.kind == "frame" and entry.data["number"] != self.own:
                self.plan_after(entry)
            key = self.worked_on(entry.data.get("n", 0))
            fold(self.state, (entry,))
            self.note(entry.kind, entry.data, key)
            if entry.kind == "frame":
                self.told.update(target for _, kind, *_, target in entry.data["commands"] if kind in STOPPING)

    def plan_after(self, frame: Entry) -> None:
        """Moves the tree to where another process's plan has moved its own."""
        plan = self.plan() if frame.data["covers"] == self.state.position else None
        if plan is None or not is_same(plan.frame, frame.data):
            raise Outdated

    def has_in_flight(self, command: Command) -> bool:
        """Whether a frame that this planner has taken in started the command, and nothing has ended it."""
        return self.state.by_command.get(command.n) == node_key(command.node, command.iteration)

    def worked_on(self, n: int) -> str | None:
        """Key of the node whose open command this is; of a question, also where it is one of its timers."""
        clock = self.state.clocks.get(n)
        return clock[0] if clock is not None else self.state.by_command.get(n)

    def ahead(self, fact: Fact) -> None:
        """Applies a fact that is about to be stored right behind `position`."""
        self.apply((Entry(self.state.position + 1, fact.kind, fact.key, fact.data, self.state.last_ms),))

    def note(self, kind: str, data: Json, key: str | None) -> None:
        """Remembers what a fact touches. `key` is the node that its command worked on."""
        if kind in ("ended", "decided", "fired"):
            touched = node_key(data["node"], data["iteration"])
            self.touched[touched] = None
            if self.state.nodes[touched].expired:
                self.advance.waits.due = True
            elif data.get("outcome", "finished") == "finished":
                self.advance.changed(data["node"])
        elif kind == "signal":
            self.advance.waits.due = True
        elif kind in ("settled", "admitted", *nudges.KINDS) and key is not None:
            self.touched[key] = None

    def stored(self, entries: Sequence[Entry], ahead: int = 0) -> None:
        """Takes in what the store made of `ahead` and `plan`.

        The first `ahead` entries are facts that were applied ahead; they may stand further on in the log than was
        thought, behind claims. Where others have written in between, nothing happens: `apply` with what follows
        `position` does it.
        """
        for entry in entries[:ahead]:
            self.state.position = self.state.last_fact = entry.seq
            self.state.last_ms = entry.at_ms
        later = [entry for entry in entries[ahead:] if entry.seq > self.state.position]
        if later and later[0].seq == self.state.position + 1:
            self.apply(later)

    def plan(self) -> Plan | None:
        """The next frame, or None where no fact waits for one. Raises `RenderError`; throw the planner away then."""
        if not self.due or self.own > self.state.frames:
            return None
        try:
            return self.make_plan()
        except RecursionError as error:
            raise RenderError("The tree is nested too deeply (more than about 200 groups).") from error

    def make_plan(self) -> Plan:
        advance, state = self.advance, self.state
        advance.changes = Changes()
        advance.touched.update(self.touched)
        self.touched.clear()
        if state.is_leaving:
            self.leave()
        else:
            advance.settle()
            self.tree.fresh = [leaf for leaf in self.tree.fresh if leaf.attached]  # a plan may render a part twice
            check(self.tree, self.tree.fresh)
            check_limits(self.tree, self.tree.fresh)
            self.forget_unseen()
            found = reached(advance)
            if found is not None:
                hand_over(advance, found)
                self.leave()
        advance.changes.freed.update(self.tree.freed)
        advance.changes.timers = [leaf for leaf in advance.changes.timers if leaf.attached and leaf.status not in FINAL]
        scopes = list(self.tree.aspects.values())
        admitted = [leaf for leaf in advance.changes.admitted.values() if leaf.attached and leaf.status not in FINAL]
        started = start_ready(advance.changes.candidates, list(advance.changes.freed), scopes, state, admitted)
        return self.frame([*started, *admitted])

    def forget_unseen(self) -> None:
        """What was mounted where nothing begins any more, and nobody has seen, is not told. What this plan has ended
        before that is told."""
        seen, final = self.state.nodes, self.advance.changes.final
        self.tree.fresh = [
            leaf for leaf in self.tree.fresh if leaf.key in seen or leaf.key in final or not leaf.is_halted
        ]

    def leave(self) -> None:
        """Ends what has begun: the run is cancelled, or hands over."""
        if self.tree.root.held:
            self.wind_down()
        else:
            self.cancel_all()

    def wind_down(self) -> None:
        """Ends a run in which blocks have to clean up first: all but their cleanup is halted."""
        root, advance = self.tree.root, self.advance
        advance.take_in()
        root.closed = True
        advance.take_answers(list(self.tree.leaves.values()))
        advance.halt(root)
        advance.settle()
        advance.halt(self.tree.root)
        advance.settle()
        self.forget_unseen()

    def cancel_all(self) -> None:
        """Ends whatever people have seen. What a cold start renders beyond that is not told any more."""
        advance = self.advance
        advance.take_in()
        advance.take_answers(list(self.tree.leaves.values()))
        render_dirty(advance)
        if advance.stale:
            put_up_anew(advance)
        advance.rendered.clear()
        self.tree.fresh = [leaf for leaf in self.tree.fresh if leaf.key in self.state.nodes]
        for key in advance.touched:
            if key in self.tree.leaves:
                advance.changes.leaves[key] = self.tree.leaves[key]
        advance.touched.clear()
        for leaf in list(self.tree.leaves.values()):
            memory = self.state.nodes.get(leaf.key)
            if memory is None or leaf.key in advance.changes.final:
                continue
            if memory.n and isinstance(leaf.element, Task) and not waits_for_turn(memory):
                advance.changes.withdrawn[leaf.key] = leaf
            elif leaf.status not in FINAL and judge(leaf.element, memory) not in ("finished", "skipped", "failed"):
                advance.cancel(leaf)
        for id, is_news in advance.woken.items():
            if is_news:
                advance.changed(id)
        advance.woken.clear()

    # the frame

    def frame(self, started: list[Leaf]) -> Plan:
        changes, state = self.advance.changes, self.state
        cancels, closed = self.cancellations()
        status, error = self.outcome(started)
        starts = sorted([*started, *changes.timers], key=lambda leaf: leaf.order)
        changes.leaves.update((leaf.key, leaf) for leaf in starts)
        disarmed = [n for n in state.clocks if not self.is_armed(n)]
        numbers = count(state.commands + 1)
        commands = [replace(cancel, n=next(numbers)) for cancel in cancels]
        commands += [self.command(leaf, next(numbers)) for leaf in starts]
        shown, rows = self.rows({node_key(c.node, c.iteration): c for c in commands})
        commands += [Command(next(numbers), "cancel", *self.waited(n), target=n) for n in disarmed]
        commands += [replace(timer, n=next(numbers)) for timer in self.question_timers()]
        closed += disarmed
        if status in OVER:
            kind = "fail" if status == "failed" else "complete"
            commands.append(Command(next(numbers), kind, payload={"status": status}))
        delta: Json = {
            "commands": [(c.n, c.kind, c.node, c.iteration, c.attempt, c.target) for c in commands],
            "nodes": shown,
            "status": status,
        }
        seen = [*changes.gone.values(), *changes.waited.values(), *self.tree.fresh]  # also what came and went just now
        homes = {leaf.element.id: leaf.scope.home for leaf in seen}
        homes = {id: home for id, home in homes.items() if state.homes.get(id, "") != home}
        extra = {"closed": closed, "loops": changes.loops, "ended_loops": changes.ended_loops, "homes": homes}
        extra |= {"stages": changes.stages, "absent": changes.absent, "disarmed": disarmed, **changes.people.delta()}
        charges = {leaf.key: charge for leaf in started if (charge := charge_of(leaf)) is not None}
        extra |= {"left": left(shown, state)}
        extra |= {"charges": charges, "refused": changes.refused, "exceeded": changes.exceeded}
        extra |= {"waits": self.waits(), "events": changes.events, "unfit": changes.unfit}
        extra |= {"error": error, "handover": changes.handover}
        if status not in OVER:
            extra["failing"] = note_failing(self.advance)
        extra |= {"delays": {str(c.n): [c.delay_ms, c.due_ms] for c in commands if c.delay_ms or c.due_ms}}
        delta.update({name: value for name, value in extra.items() if value})
        self.own = state.frames + 1
        self.tree.fresh.clear()
        self.tree.down.clear()
        self.tree.freed.clear()
        delta.update(number=self.own, covers=state.position)
        return Plan(
            state.planned,
            state.position,
            self.own,
            delta,
            tuple(commands),
            tuple(closed),
            tuple(rows),
            status,
            error,
            self.answered(),
        )

    def answered(self) -> tuple[str, ...]:
        """Keys of the decisions that this plan leaves to nobody: of questions that people were asked, and that approve
        themselves."""
        keys = self.advance.changes.people.approved
        asked = [key for key in keys if key in self.state.nodes and self.state.nodes[key].shown == ruling.WAITING]
        return tuple(decided_key(*split_node_key(key), self.state.nodes[key].ask) for key in asked)

    def waits(self) -> dict[str, list[str | None]]:
        """The waits for events that begin with this frame: name and correlation id."""
        found: dict[str, list[str | None]] = {}
        for key, leaf in self.advance.changes.waits.items():
            if leaf.attached and leaf.waiting and isinstance(leaf.element, WaitForEvent):
                found[key] = [leaf.element.event, leaf.element.correlation_id]
        return found

    def outcome(self, started: list[Leaf]) -> tuple[str, Json | None]:
        """The run's status from here on, and why it failed."""
        state, root = self.state, self.tree.root
        if any(self.is_at_work(state.nodes[key]) for key in state.by_command.values()):
            return "running", None
        queued = self.is_queued()
        if not queued:
            if state.cancelled is not None and not root.held:
                return "cancelled", None
            if state.handover is not None and not root.held:
                return CONTINUED, None
            if root.status == DONE:
                return "finished", None
            if root.status == FAILED and not root.held:
                return "failed", failure_of(root)
        if any(not asks_for_turn(leaf, state.nodes.get(leaf.key)) for leaf in started):
            return "running", None
        return self.waits_for(is_queued=queued or bool(started))

    def waits_for(self, *, is_queued: bool) -> tuple[str, Json | None]:
        """The status of a run in which nothing is at work: people first, then turns in queues, then timers. Where there
        is none of them, why it has nothing to do."""
        state = self.state
        waiting = [leaf for leaf in self.tree.leaves.values() if leaf.waiting]
        if waiting:
            for_events = all(isinstance(leaf.element, WaitForEvent) for leaf in waiting)
            return "waiting-event" if for_events else "waiting-approval", None
        if is_queued:
            return QUEUED, None
        if self.advance.changes.timers or self.is_timed():
            return "waiting-timer", None
        return ("failed" if state.cancelled is None else "cancelled"), why_stuck(self.tree)

    @staticmethod
    def is_at_work(memory: NodeMemory) -> bool:
        return not memory.timer and not waits_for_turn(memory)

    def is_queued(self) -> bool:
        """Whether a task waits for its turn in a queue, and is still wanted."""
        queued = {key for key in self.state.by_command.values() if waits_for_turn(self.state.nodes[key])}
        return bool(queued) and bool(queued - {*self.advance.changes.withdrawn, *self.tree.orphans()})

    def is_timed(self) -> bool:
        """Whether a timer runs that is still wanted."""
        gone = {*self.advance.changes.withdrawn, *self.tree.orphans()}
        return any(not self.state.nodes[key].cancelling for key in self.state.by_command.values() if key not in gone)

    def is_armed(self, n: int) -> bool:
        """Whether the timer still belongs to a question that is asked now."""
        key, asked, which = self.state.clocks[n]
        leaf = self.tree.leaves.get(key)
        ask = None if leaf is None else ask_of(leaf)
        if ask is None or leaf is None or not leaf.waiting or not nudges.is_wanted(ask, which):
            return False
        memory = self.state.nodes[key]
        return memory.ask == asked and memory.decision is None

    def waited(self, n: int) -> tuple[str, str]:
        return split_node_key(self.state.clocks[n][0])

    def question_timers(self) -> list[Command]:
        """Those that questions need and have not got, without numbers: first all that end waits, then what follows
        questions up, each in the order of the tree."""
        asking = {leaf.key: leaf for leaf in self.advance.changes.asked if leaf.attached and leaf.waiting}
        found: list[Command] = []
        for leaf in sorted(asking.values(), key=lambda leaf: leaf.order):
            ask = ask_of(leaf)
            if ask is not None:
                found += nudges.missing(ask, leaf.scope.iteration, self.state.nodes.get(leaf.key), self.is_armed)
        return sorted(found, key=is_nudge)

    def cancellations(self) -> tuple[list[Command], list[int]]:
        """Commands that stop what is in flight and no longer wanted, and numbers that are over without an answer."""
        state = self.state
        closed = [n for n, target in state.open_other.items() if target not in state.by_command]
        commands: list[Command] = []
        stopping = set(state.open_other.values())
        self.told.intersection_update(state.by_command)
        alone = (state.by_command[n] for n in self.told - stopping)
        lost = {key for key in alone if is_unstopped(state.nodes[key])}
        for key in sorted({*self.tree.orphans(), *self.advance.changes.withdrawn, *lost}):
            memory = state.nodes[key]
            if not memory.n or (memory.cancelling and key not in lost):
                continue
            if waits_for_turn(memory):
                closed.append(memory.n)
                continue
            node, iteration = split_node_key(key)
            kind = "stop" if memory.child else "cancel"
            attempt = memory.attempt if memory.child else 0
            commands.append(Command(0, kind, node, iteration, attempt, target=memory.n))
            if memory.timer:
                closed.append(memory.n)
        return commands, closed

    def command(self, leaf: Leaf, n: int) -> Command:
        element, state = leaf.element, self.state
        memory = state.nodes.get(leaf.key)
        verdict = judge(element, memory)
        id, iteration = element.id, leaf.scope.iteration
        if isinstance(element, Timer):
            return timer_command(element, iteration, n)
        if isinstance(element, WaitForEvent):
            assert element.timeout is not None
            span = duration(element.timeout, "timeout")
            return Command(n, "timer", id, iteration, delay_ms=max(1, milliseconds(span)))
        assert isinstance(element, Task)
        attempt = 1 if memory is None else memory.attempt + (memory.ended == memory.attempt)
        delay = 0
        if verdict == "retry" and memory is not None:
            chance = crc32(f"{state.run_id}:{leaf.key}:{attempt}".encode()) / 2**32
            delay = element.retry.delay_ms(memory.failures, chance)
        if isinstance(element, Subflow):
            input = checked(element)
            about = child_payload(element, state, memory, input)
            return Command(n, "subflow", id, iteration, attempt, delay_ms=delay, payload=about)
        queue = queue_around(leaf)
        if queue is not None and not has_turn(memory):
            return Command(n, "turn", id, iteration, attempt, payload=ticket(queue, state))
        limit = shortest(timeout_ms(element), per_task_ms(leaf, "fail"))
        long = element.isolated or limit > LONG_MS
        body = payload(element, outputs_of(self.tree, leaf)) | cache_of(self.tree, leaf, element) | limits_of(leaf)
        body |= of_body(queue, memory)
        kind = "child" if long else "run"
        return Command(
            n,
            kind,
            id,
            iteration,
            attempt,
            delay_ms=delay,
            timeout_ms=limit,
            burst=not long and not delay,
            payload=body,
        )

    def rows(self, commands: dict[str, Command]) -> tuple[dict[str, str], list[NodeRow]]:
        """What people see changing: states by key, and the rows. `commands` are this frame's, by node key."""
        shown: dict[str, str] = {}
        rows: list[NodeRow] = []
        for key, leaf in sorted(self.changed().items()):
            memory = self.state.nodes.get(key)
            state = self.shown_state(leaf, commands.get(key))
            if not is_told(memory, state):
                shown[key] = state
            elif not (key in commands or key in self.advance.changes.people.asks or key in self.advance.changes.unfit):
                continue
            unfit, output = self.advance.changes.unfit.get(key, {}), self.advance.changes.people.outputs.get(key)
            rows.append(row(leaf, state, memory, commands.get(key), unfit, output))
        for key in self.tree.orphans():
            if key in self.advance.changes.gone:
                continue
            memory = self.state.nodes[key]
            state = "cancelling" if memory.n and self.is_at_work(memory) else memory.outcome or "unmounted"
            if state != memory.shown:
                shown[key] = state
                waited = self.advance.changes.waited.get(key)
                if waited is not None:
                    rows.append(row(waited, state, memory, None, {}, None))
                    continue
                rows.append(NodeRow(*split_node_key(key), kind="", state=state))
        return shown, rows

    def changed(self) -> dict[str, Leaf]:
        changes = self.advance.changes
        noted = {key: self.tree.leaves[key] for key in changes.unfit}
        found = {**changes.leaves, **changes.withdrawn, **noted, **{leaf.key: leaf for leaf in self.tree.fresh}}
        found = {key: leaf for key, leaf in found.items() if leaf.attached}
        return {**found, **{key: leaf for key, leaf in changes.gone.items() if key not in self.tree.leaves}}

    def shown_state(self, leaf: Leaf, command: Command | None) -> str:
        final = self.advance.changes.final.get(leaf.key)
        if final:
            return final
        memory = self.state.nodes.get(leaf.key)
        timer = isinstance(leaf.element, Timer)
        cancelling = (command is not None and command.kind in STOPPING) or (memory is not None and memory.cancelling)
        verdict = judge(leaf.element, memory)
        if queues_up(leaf, memory, command):
            return QUEUED
        if verdict == "running" and cancelling:
            return "unmounted" if timer else "cancelling"
        if isinstance(leaf.element, WaitForEvent) and leaf.waiting:
            return "waiting-event"
        if verdict == "running" or (command is not None and command.kind not in STOPPING):
            return "waiting-timer" if timer else "running"
        if verdict not in ("fresh", "retry"):
            return verdict
        return "waiting-approval" if leaf.waiting else "pending"

    # for those who run tasks

    def body(self, node: str, iteration: str) -> TaskBody:
        """The body of a mounted task with its dependencies' outputs. Raises `RenderError` if it is not mounted."""
        leaf = self.tree.leaves.get(f"{node}:{iteration}")
        if leaf is None or not isinstance(leaf.element, Task):
            raise RenderError(f"Task {node!r} (iteration {iteration or '-'}) is not in the tree any more.", node=node)
        task: Task[Any] = leaf.element
        sources = outputs_of(self.tree, leaf)
        deps = {
            name: validated(task.deps[name], self.state.nodes[f"{id}:{turn}"].output, f"{id}:{turn}", task.where)
            for name, (id, turn) in sources.items()
        }
        return TaskBody(task, deps)


def queues_up(leaf: Leaf, memory: NodeMemory | None, command: Command | None) -> bool:
    """Whether it waits for its turn in a queue, from this frame on."""
    if command is not None:
        return command.kind == "turn"
    return leaf.in_flight and (waits_for_turn(memory) or has_turn(memory))


def is_told(memory: NodeMemory | None, state: str) -> bool:
    """Whether frames say so already. What they said of an end counts no more once the run was opened again."""
    if memory is None or state != memory.shown:
        return False
    return state == memory.outcome or state not in ("skipped", "cancelled")


def is_unstopped(memory: NodeMemory) -> bool:
    """Whether a child run is to be stopped; somebody has to be at it."""
    return memory.child and memory.cancelling


def is_same(mine: Json, theirs: Json) -> bool:
    """Whether two frames say the same, one of them as it came back from the store."""
    return from_json(to_json(mine)) == {key: value for key, value in theirs.items() if key != "owner"}


def shortest(timeout_ms: int, most_ms: int | None) -> int:
    """Of an attempt's own timeout, where 0 is none, and what a scope gives it."""
    return timeout_ms if most_ms is None else min(timeout_ms or most_ms, most_ms)


def timer_command(timer: Timer, iteration: str, n: int) -> Command:
    if timer.until is not None:
        return Command(n, "timer", timer.id, iteration, due_ms=timer.due_ms)
    assert timer.duration is not None
    span = duration(timer.duration, "duration")
    return Command(n, "timer", timer.id, iteration, delay_ms=max(1, milliseconds(span)))
