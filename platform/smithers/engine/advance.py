"""Moves the mounted tree on after something changed, until nothing moves any more.

Facts are taken in together, in the order of a cold start: slots are counted, parts that have read something that
changed render again (outermost first), failures mark the groups around them, and only then leaves are judged, groups
go on and waiting leaves are looked at again. This order is what makes a plan over several facts the same whether the
tree was there before them or is mounted after them. Every step is small and idempotent, and a final status never
changes back.

A sequence goes on from its cursor, a parallel group counts, so that one completion costs the depth of the tree and
not its width. The one move backwards (a part that was over renders again and has something new) remounts the whole
tree from the state: rare, and the same as a cold start.

Failure in a group (design ruling 2): the first final failure marks the nearest parallel group as failing. Nothing in
it starts any more; approvals and timers in it are withdrawn; when no task below it runs, the group has failed. In a
sequence there is nothing to wait for: it fails with its child.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from smithers.engine.asks import is_gated
from smithers.engine.entry import Json
from smithers.engine.judge import judge, reason
from smithers.engine.mounts import ACTIVE, DONE, FAILED, FINAL, IDLE, Group, Leaf, LoopGroup, Mount, PartGroup
from smithers.engine.people import ASKS, Settled, approves_itself, give_missing, take_answer
from smithers.engine.reads import Suspended
from smithers.engine.tree import Tree, land, take_off, takes_argument
from smithers.engine.waits import standing
from smithers.errors import RenderError
from smithers.flow.loop import Turn
from smithers.flow.task import Task
from smithers.flow.where import show

MOST_PASSES: Final = 10_000
"""Passes that one plan may enter: a loop whose passes end without any work would otherwise hang the planner."""


@dataclass(slots=True, eq=False)
class Changes:
    """What the next frame has to say, gathered while the tree moves."""

    leaves: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Leaves whose state people see may have changed."""
    candidates: list[Leaf] = field(default_factory=list[Leaf])
    timers: list[Leaf] = field(default_factory=list[Leaf])
    asked: list[Leaf] = field(default_factory=list[Leaf])
    """Leaves that ask people now, as before or anew."""
    people: Settled = field(default_factory=Settled)
    freed: dict[Group, None] = field(default_factory=dict[Group, None])
    withdrawn: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """Mounted and in flight, and to be cancelled."""
    loops: dict[str, int] = field(default_factory=dict[str, int])
    ended_loops: dict[str, str] = field(default_factory=dict[str, str])
    absent: dict[str, str] = field(default_factory=dict[str, str])
    final: dict[str, str] = field(default_factory=dict[str, str])
    """Leaves that this plan itself ends: skipped or cancelled."""
    passes: int = 0


@dataclass(slots=True, eq=False)
class Advance:
    """The moving part of a planner."""

    tree: Tree
    changes: Changes = field(default_factory=Changes)
    touched: dict[str, None] = field(default_factory=dict[str, None])
    """Keys of leaves with new facts."""
    dirty: dict[PartGroup, None] = field(default_factory=dict[PartGroup, None])
    groups: list[Group] = field(default_factory=list[Group])
    waiters: dict[str, dict[Leaf, None]] = field(default_factory=dict[str, dict[Leaf, None]])

    def changed(self, node: str) -> None:
        """An output of `node` came, or will never come."""
        for part in self.tree.readers.get(node, ()):
            self.dirty[part] = None

    def settle(self) -> None:
        """Takes in all facts that came since the last plan, then moves on until nothing moves."""
        if self.tree.root.status == IDLE:
            self.take_answers(list(self.tree.leaves.values()))
            self.render_dirty()
            self.recall_failures(self.tree.leaves.values())
            self.activate(self.tree.root)
        else:
            self.take_in()
        while self.dirty or self.groups:
            if self.dirty:
                self.render_again(self.outermost())
            else:
                group = self.groups.pop()
                group.queued = False
                if group.attached:
                    self.go_on(group)

    def take_in(self) -> None:
        """As a cold start does it: first everything renders with all the facts, then failures, then the rest."""
        for key in self.touched:
            self.land(key)
        seen = len(self.tree.fresh)
        self.take_answers([self.tree.leaves[key] for key in self.touched if key in self.tree.leaves])
        rendered = self.render_dirty()
        touched = [self.tree.leaves[key] for key in self.touched if key in self.tree.leaves]
        self.touched.clear()
        self.recall_failures([*touched, *self.tree.fresh[seen:]])
        for leaf in touched:
            if leaf.status == ACTIVE:
                self.changes.leaves[leaf.key] = leaf
                self.start(leaf)
        for part in rendered:
            if part.attached:
                self.put_back(part)

    def render_dirty(self) -> list[PartGroup]:
        """Renders what has read something that changed, before anything goes on. Returns what was rendered."""
        rendered: list[PartGroup] = []
        while self.dirty:
            part = self.outermost()
            del self.dirty[part]
            if part.attached and part.status != FAILED:
                rendered.append(part)
                seen = len(self.tree.fresh)
                self.tree.again(part)
                self.take_answers(self.tree.fresh[seen:])
        return rendered

    def outermost(self) -> PartGroup:
        return min(self.dirty, key=lambda part: part.path())

    def recall_failures(self, leaves: Iterable[Leaf]) -> None:
        """Marks groups in which something has failed before anything goes on, as it was when it failed."""
        state = self.tree.state
        failed: list[Mount] = [
            leaf
            for leaf in leaves
            if leaf.key in state.nodes
            and judge(leaf.element, state.nodes[leaf.key]) == "failed"
            and not getattr(leaf.element, "continue_on_fail", False)
        ]
        for key, how in state.ended_loops.items():
            loop = self.tree.loops.get(key)
            if loop is not None and how == "max" and loop.loop.on_max_reached == "fail":
                failed.append(loop)
        for mount in failed:
            self.recall(mount)

    def take_answers(self, leaves: Iterable[Leaf]) -> None:
        """Looks at what people have answered. Whoever reads it renders again."""
        for leaf in leaves:
            if take_answer(self.tree, leaf, self.changes.people):
                self.changed(leaf.element.id)

    def recall(self, failed: Mount) -> None:
        """A failed group in which nothing runs any more has itself failed, and so on outwards."""
        for group in failed.ancestors():
            if group.parallel and not group.failing:
                self.fail_around(group)
            if group.failing and group.running:
                return

    # leaves

    def land(self, key: str) -> None:
        """Counts a leaf with a new fact as no longer in flight. One that is not mounted any more is only remembered."""
        leaf = self.tree.leaves.get(key)
        if leaf is None:
            self.tree.down[key] = None
        elif land(leaf):
            self.changes.leaves[key] = leaf
            self.free(leaf)

    def free(self, leaf: Leaf) -> None:
        for group in leaf.ancestors():
            if group.parked:
                self.changes.freed[group] = None
            if group.failing and not group.running:
                self.queue(group)

    def start(self, leaf: Leaf) -> None:
        """Does what the log says of a leaf whose turn it is."""
        self.take_answers((leaf,))
        memory = self.tree.state.nodes.get(leaf.key)
        verdict = self.changes.final.get(leaf.key) or judge(leaf.element, memory)
        leaf.waiting = False
        match verdict:
            case "finished":
                if give_missing(self.tree, leaf, self.changes.people):
                    self.changed(leaf.element.id)
                self.finish(leaf, DONE)
            case "running":
                take_off(leaf)
            case "skipped" | "cancelled":
                self.miss(leaf, verdict)
            case "failed":
                assert memory is not None
                leaf.error = reason(leaf.element, memory)
                self.give_up(leaf)
            case _:
                self.begin(leaf)

    def begin(self, leaf: Leaf) -> None:
        """A leaf that nothing has been done for, or that is to be done again."""
        if any(group.failing for group in leaf.ancestors()):
            self.cancel(leaf)
            return
        if leaf.element.skip_if:
            self.miss(leaf, "skipped")
            return
        needed = leaf.element.upstream()
        for id in needed:
            match standing(self.tree, leaf, id):
                case "wait":
                    self.waiters.setdefault(id, {})[leaf] = None
                    return
                case "absent" if isinstance(leaf.element, Task) and needs_output(leaf.element, id):
                    self.miss(leaf, "skipped")
                    return
                case _:
                    pass
        self.changes.leaves[leaf.key] = leaf
        if isinstance(leaf.element, ASKS) or is_gated(leaf.element, self.tree.state.nodes.get(leaf.key)):
            self.ask(leaf)
        elif isinstance(leaf.element, Task):
            leaf.ready, leaf.order = True, leaf.path()
            self.changes.candidates.append(leaf)
        else:
            leaf.order = leaf.path()
            self.changes.timers.append(leaf)

    def ask(self, leaf: Leaf) -> None:
        if approves_itself(self.tree, leaf, self.changes.people):
            self.changed(leaf.element.id)
            self.finish(leaf, DONE)
            return
        leaf.waiting, leaf.order = True, leaf.path()
        self.changes.asked.append(leaf)

    def miss(self, leaf: Leaf, how: str) -> None:
        """Ends a leaf without an output."""
        memory = self.tree.state.nodes.get(leaf.key)
        if memory is None or memory.outcome != how:
            self.changes.final[leaf.key] = how
        self.be_absent(leaf, how)
        self.finish(leaf, DONE)

    def be_absent(self, leaf: Leaf, why: str) -> None:
        """Tells readers that the output will never come. They may render at once, so the state must say it now."""
        if leaf.key not in self.tree.state.absent:
            self.tree.state.absent[leaf.key] = self.changes.absent[leaf.key] = why
            self.changed(leaf.element.id)

    def give_up(self, leaf: Leaf) -> None:
        if getattr(leaf.element, "continue_on_fail", False):
            self.be_absent(leaf, "failed")
            self.finish(leaf, DONE)
        else:
            self.finish(leaf, FAILED)

    def finish(self, mount: Mount, status: str) -> None:
        """Makes a mount final and lets its parent go on."""
        if mount.status in FINAL:
            return
        mount.status = status
        if isinstance(mount, Leaf):
            mount.ready = mount.waiting = False
            self.changes.leaves[mount.key] = mount
            self.wake(mount.element.id)
        if isinstance(mount, LoopGroup):
            self.wake_all()
        parent = mount.parent
        if parent is not None:
            parent.open -= 1
            if status == FAILED and parent.parallel:
                self.fail_around(parent)
            self.queue(parent)

    def wake(self, id: str) -> None:
        for leaf in self.waiters.pop(id, ()):
            if leaf.attached and leaf.status == ACTIVE and not leaf.ready:
                self.start(leaf)

    def wake_all(self) -> None:
        """After a loop: who waits for a node in it may go on. Loops end rarely."""
        for id in list(self.waiters):
            self.wake(id)

    # groups

    def queue(self, group: Group) -> None:
        if not group.queued:
            group.queued = True
            self.groups.append(group)

    def activate(self, mount: Mount) -> None:
        if mount.status != IDLE:
            return
        mount.status = ACTIVE
        match mount:
            case Leaf():
                self.start(mount)
            case LoopGroup():
                self.start_loop(mount)
            case Group():
                if mount.parallel:
                    for child in mount.children:
                        self.activate(child)
                self.go_on(mount)
            case _:
                pass

    def go_on(self, group: Group) -> None:
        if group.status != ACTIVE or (isinstance(group, PartGroup) and group.suspended):
            return
        if isinstance(group, LoopGroup):
            self.go_on_loop(group)
        elif group.parallel:
            self.go_on_parallel(group)
        else:
            self.go_on_sequence(group)

    def go_on_sequence(self, group: Group) -> None:
        while group.cursor < len(group.children):
            child = group.children[group.cursor]
            self.activate(child)
            if child.status == FAILED:
                self.finish(group, FAILED)
            if child.status != DONE:
                return
            group.cursor += 1
            if self.dirty:  # what comes next may be about to look different
                self.queue(group)
                return
        self.finish(group, DONE)

    def go_on_parallel(self, group: Group) -> None:
        if group.failing:
            if not group.running:
                self.withdraw(group)
                self.finish(group, FAILED)
        elif not group.open:
            self.finish(group, DONE)

    def fail_around(self, group: Group) -> None:
        """Marks the parallel group as failing, through the parts that belong to it."""
        reached: Group | None = group
        while reached is not None and reached.parallel:
            if not reached.failing:
                reached.failing = True
                self.withdraw_waiting(reached)
                if reached.fail_fast:
                    self.withdraw(reached)
                self.queue(reached)
            reached = reached.parent if isinstance(reached, PartGroup) else None

    def withdraw_waiting(self, group: Group) -> None:
        """Ends what has not begun below, whether its turn had come or not: a cold planner cannot tell the two apart."""
        for leaf in list(group.leaves()):
            if leaf.status not in FINAL and not leaf.in_flight and self.is_open(leaf):
                self.cancel(leaf)

    def is_open(self, leaf: Leaf) -> bool:
        """Whether something would have to be done, or is asked, for a leaf."""
        memory = self.tree.state.nodes.get(leaf.key)
        timer = memory is not None and memory.timer and memory.n
        return bool(timer) or judge(leaf.element, memory) in ("fresh", "retry")

    def withdraw(self, group: Group) -> None:
        for leaf in list(group.leaves()):
            if leaf.in_flight:
                self.changes.withdrawn[leaf.key] = leaf
            elif leaf.status not in FINAL and self.is_open(leaf):
                self.cancel(leaf)

    def cancel(self, leaf: Leaf) -> None:
        """Ends a leaf that no task runs for. One that no frame has shown yet was never there."""
        memory = self.tree.state.nodes.get(leaf.key)
        if memory is not None and memory.n:
            self.changes.withdrawn[leaf.key] = leaf
        leaf.ready = leaf.waiting = False
        leaf.status = DONE
        if leaf.parent is not None:
            leaf.parent.open -= 1
        if memory is None:
            self.changes.leaves.pop(leaf.key, None)
        else:
            self.changes.final[leaf.key] = "cancelled"
            self.changes.leaves[leaf.key] = leaf
            self.be_absent(leaf, "cancelled")

    # loops

    def start_loop(self, group: LoopGroup) -> None:
        key = group.key
        how = self.tree.state.ended_loops.get(key)
        if group.loop.skip_if or how == "until":
            self.finish(group, DONE)
        elif how == "max":
            self.reach_max(group)
        elif key in self.tree.state.loops:
            self.activate(group.children[0])
            self.go_on(group)
        elif self.until(group, 0):
            self.end_loop(group, "until")
        else:
            self.enter(group, 0)

    def go_on_loop(self, group: LoopGroup) -> None:
        body = group.children[0] if group.children else None
        if body is None or body.status not in FINAL:
            return
        if body.status == FAILED:
            self.finish(group, FAILED)
        elif any(above.failing for above in group.ancestors()):
            return
        elif self.until(group, group.turn):
            self.end_loop(group, "until")
        elif group.loop.max_iterations is not None and group.turn + 1 >= group.loop.max_iterations:
            self.end_loop(group, "max")
        else:
            self.enter(group, group.turn + 1)

    def until(self, group: LoopGroup, turn: int) -> bool:
        until = group.loop.until
        if isinstance(until, bool):
            return until
        with self.tree.reads.during(group.scope.inside(group.loop.id, turn), {}):
            try:
                return bool(until(Turn(turn)) if takes_argument(until) else until())  # type: ignore[call-arg]
            except Suspended as wait:
                if group.turn < 0 or group.key not in self.tree.state.loops:
                    return False
                raise RenderError(
                    f"Loop({group.loop.id!r}) at {show(group.loop.where)}: `until` reads {wait.missing.node!r}, "
                    "which has no output after this pass: read it with ctx.output_maybe or ctx.latest."
                ) from None

    def enter(self, group: LoopGroup, turn: int) -> None:
        self.changes.passes += 1
        if self.changes.passes > MOST_PASSES:
            raise RenderError(
                f"Loop({group.loop.id!r}) at {show(group.loop.where)} goes on without any work: its passes end at once."
            )
        self.changes.loops[group.key] = self.tree.state.loops[group.key] = turn
        if group.turn != turn:
            self.tree.enter(group, turn)
        self.activate(group.children[0])
        self.queue(group)

    def end_loop(self, group: LoopGroup, how: str) -> None:
        self.changes.ended_loops[group.key] = self.tree.state.ended_loops[group.key] = how
        if how == "max":
            self.reach_max(group)
        else:
            self.finish(group, DONE)

    def reach_max(self, group: LoopGroup) -> None:
        if group.loop.on_max_reached == "return-last":
            self.finish(group, DONE)
            return
        group.error = {
            "code": "LOOP_MAX_REACHED",
            "message": f"loop {group.loop.id!r} has run {group.loop.max_iterations} times, but `until` does not hold",
        }
        self.finish(group, FAILED)

    # parts

    def render_again(self, part: PartGroup) -> None:
        del self.dirty[part]
        if part.attached and part.status != FAILED:
            seen = len(self.tree.fresh)
            self.tree.again(part)
            self.take_answers(self.tree.fresh[seen:])
            self.recall_failures(self.tree.fresh[seen:])
            self.put_back(part)

    def put_back(self, part: PartGroup) -> None:
        """Lets a part that has been rendered again go on from where it was."""
        if part.status == DONE:
            self.reopen(part)
        elif part.status == ACTIVE:
            part.status = IDLE
            self.activate(part)

    def reopen(self, part: PartGroup) -> None:
        """A part that was over renders something again. Unless that is over as well, everything is looked at anew."""
        state = self.tree.state
        part.status = DONE
        if all(judge(leaf.element, state.nodes.get(leaf.key)) in ("finished", "skipped") for leaf in part.leaves()):
            for mount in walk(part):
                mount.status = DONE
            return
        self.remount()

    def remount(self) -> None:
        tree = self.tree
        tree.take_down(tree.root)
        self.dirty.clear()
        self.groups.clear()
        self.waiters.clear()
        tree.put_up_root()
        self.take_answers(list(tree.leaves.values()))
        self.recall_failures(tree.leaves.values())
        self.activate(tree.root)


def walk(group: Group) -> list[Mount]:
    """The mounts below a group, the group left out."""
    found: list[Mount] = []
    stack: list[Mount] = [*group.children]
    while stack:
        mount = stack.pop()
        found.append(mount)
        if isinstance(mount, Group):
            stack.extend(mount.children)
    return found


def needs_output(task: Task[object], id: str) -> bool:  # type: ignore[type-var]
    return any(task.needs.get(name, name) == id for name in task.deps)


def first_error(group: Group) -> tuple[Leaf | None, Json]:
    """The first failure in tree order, for the run's error."""
    stack: list[Mount] = [group]
    while stack:
        mount = stack.pop()
        if isinstance(mount, Leaf) and mount.status == FAILED:
            return mount, mount.error or {}
        if isinstance(mount, LoopGroup) and mount.error:
            return None, mount.error
        if isinstance(mount, Group):
            stack.extend(reversed(mount.children))
    return None, {"code": "RUN_FAILED", "message": "the workflow failed"}
