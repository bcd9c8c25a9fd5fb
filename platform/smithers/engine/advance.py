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
from heapq import heappop, heappush

from smithers.engine.asks import is_gated
from smithers.engine.blocks import blocks_below, decide_block, go_on_block, start_block
from smithers.engine.budgets import decide_budget, look_at_budgets, spent_around
from smithers.engine.changes import Changes
from smithers.engine.entry import split_node_key
from smithers.engine.events import Waits, begin_wait, resolve_next
from smithers.engine.failing import has_failed, recall_failures, still_failing
from smithers.engine.judge import judge, reason
from smithers.engine.mounts import (
    ACTIVE,
    DONE,
    FAILED,
    FINAL,
    IDLE,
    Group,
    GuardGroup,
    Leaf,
    LoopGroup,
    Mount,
    PartGroup,
)
from smithers.engine.parts import goes_back, put_back, remount, render_again, render_dirty
from smithers.engine.passes import go_on_loop, next_pass, start_loop
from smithers.engine.people import ASKS, approves_itself, give_missing, take_answer, take_outcome
from smithers.engine.state import Path
from smithers.engine.tree import Tree, land, take_off
from smithers.engine.turns import has_turn, waits_for_turn
from smithers.engine.waits import standing
from smithers.flow.approval import Approval
from smithers.flow.continuing import ContinueAsNew
from smithers.flow.event import WaitForEvent
from smithers.flow.subflow import Outcome
from smithers.flow.task import Task


@dataclass(slots=True, eq=False)
class Advance:
    """The moving part of a planner."""

    tree: Tree
    changes: Changes = field(default_factory=Changes)
    touched: dict[str, None] = field(default_factory=dict[str, None])
    """Keys of leaves with new facts."""
    dirty: dict[PartGroup, None] = field(default_factory=dict[PartGroup, None])
    groups: list[Group] = field(default_factory=list[Group])
    later: dict[PartGroup, None] = field(default_factory=dict[PartGroup, None])
    """Parts where nothing begins any more, for the next plan to render; see `parts.render_again`."""
    hopeful: dict[Leaf, None] = field(default_factory=dict[Leaf, None])
    """Approvals whose condition may hold now."""
    rendered: dict[PartGroup, None] = field(default_factory=dict[PartGroup, None])
    """Parts that have rendered with the facts of this plan, and have not gone on yet."""
    stale: bool = False
    """A part that has failed has read something that changed. It is not rendered by itself: what has failed with it is
    mounted anew, too."""
    undecided: list[tuple[Path, int, Mount]] = field(default_factory=list[tuple[Path, int, Mount]])
    """A heap of loops and blocks that may enter a pass or a stage, and of leaves that may end; see `defer`."""
    deferrals: int = 0
    waiters: dict[str, dict[Leaf, None]] = field(default_factory=dict[str, dict[Leaf, None]])
    woken: dict[str, bool] = field(default_factory=dict[str, bool])
    """Ids whose output came or will never come, and if readers have to hear of it yet, as of cancelled leaves. Who
    waits for them is looked at last: it may be cancelled too."""
    waits: Waits = field(default_factory=Waits)

    def changed(self, node: str) -> None:
        """An output of `node` came, or will never come. Who waits for it goes on, whether its turn comes or not."""
        for part in self.tree.readers.get(node, ()):
            self.dirty[part] = None
        if node in self.waiters:
            self.woken.setdefault(node, False)
        self.hopeful.update(self.tree.watchers.pop(node, {}))

    def settle(self) -> None:
        """Takes in all facts that came since the last plan, then moves on until nothing moves."""
        self.take_in()
        if self.tree.root.status == IDLE:
            self.take_answers(list(self.tree.leaves.values()))
            render_dirty(self)
            self.touched.clear()
            self.rendered.clear()
            recall_failures(self, self.tree.leaves.values())
            self.activate(self.tree.root)
        else:
            self.look_at()
        look_at_budgets(self)
        self.move()
        while resolve_next(self):
            self.move()

    def move(self) -> None:
        while self.dirty or self.groups or self.hopeful or self.woken or self.undecided:
            if self.dirty:
                render_again(self)
            elif self.groups:
                group = self.groups.pop()
                group.queued = False
                if group.attached:
                    self.go_on(group)
            elif self.hopeful:
                self.ask_condition()
            elif self.woken:
                if self.woken[id := min(self.woken)]:
                    self.changed(id)
                self.wake(id)
            else:
                self.decide(heappop(self.undecided)[2])

    def defer(self, mount: Mount) -> None:
        """Lets a loop or a block decide how it goes on, or a spent budget end a task, once nothing else moves.

        What they enter is kept in the frame. So they decide in the order of the tree, and with everything known that
        follows without a decision: otherwise it would depend on the way there whether a pass begins before or after
        something beside it has failed.
        """
        self.deferrals += 1
        heappush(self.undecided, (mount.path(), self.deferrals, mount))

    def decide(self, mount: Mount) -> None:
        if not mount.attached or mount.status != ACTIVE:
            return
        if isinstance(mount, LoopGroup):
            next_pass(self, mount)
        elif isinstance(mount, GuardGroup):
            decide_block(self, mount)
        elif isinstance(mount, Leaf) and isinstance(mount.element, Outcome):
            self.come_out(mount, mount.element)
        elif isinstance(mount, Leaf):
            decide_budget(self, mount)

    def take_in(self) -> None:
        """As a cold start does it: everything renders with all the facts, then what is there is asked for answers."""
        self.dirty.update(self.later)
        self.later.clear()
        for key in self.touched:
            self.land(key)
        render_dirty(self, answers=False)
        fresh = [leaf for leaf in self.tree.fresh if leaf.attached]
        self.take_answers([*(self.tree.leaves[key] for key in self.touched if key in self.tree.leaves), *fresh])
        render_dirty(self)

    def look_at(self) -> None:
        """Judges what facts have come for, and lets rendered parts go on."""
        rendered = [part for part in self.rendered if part.attached]
        self.rendered.clear()
        touched = [self.tree.leaves[key] for key in self.touched if key in self.tree.leaves]
        elsewhere = [key for key in self.touched if key not in self.tree.leaves]
        self.touched.clear()
        late = any((leaf.aside and has_failed(self, leaf)) or leaf.is_left_behind for leaf in touched)
        if self.stale or late or any(goes_back(self, part) for part in rendered):
            remount(self)  # before anything goes on whose turn has not come any more
            return
        recall_failures(self, [*touched, *self.tree.fresh])
        for group in still_failing(self):
            self.queue(group)  # what was in flight in it may have left the tree
        for part in rendered:
            self.release(part)
        for leaf in touched:
            self.changes.leaves[leaf.key] = leaf  # also one whose turn it is not: an async event may have set it back
            if leaf.status == ACTIVE and leaf.attached:
                self.start(leaf)
            else:
                elsewhere.append(leaf.key)
        for key in elsewhere:
            self.wake(split_node_key(key)[0])
        for part in rendered:
            if part.attached:
                put_back(self, part)

    def take_answers(self, leaves: Iterable[Leaf]) -> None:
        """Looks at what people have answered. Whoever reads it renders again."""
        for leaf in leaves:
            if take_answer(self.tree, leaf, self.changes.people):
                self.changed(leaf.element.id)

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
        self.release(leaf)

    def release(self, mount: Mount) -> None:
        """Something below is no longer in flight, has cleaned up or has left the tree: who has waited for it to become
        quiet goes on."""
        for group in mount.ancestors():
            if group.is_quiet and (group.failing or isinstance(group, GuardGroup)):
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
                self.let_pass(leaf)
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
        if leaf.is_halted:
            self.cancel(leaf)
            return
        if leaf.element.skip_if:
            self.miss(leaf, "skipped")
            return
        needed = () if self.has_begun(leaf) else leaf.element.upstream()
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
        elif isinstance(leaf.element, Outcome) or self.has_spent(leaf):
            self.defer(leaf)
            self.let_pass(leaf)  # as it did when there was budget left
        elif isinstance(leaf.element, Task):
            self.offer(leaf)
            self.let_pass(leaf)
        elif isinstance(leaf.element, WaitForEvent):
            begin_wait(self, leaf, leaf.element)
        elif isinstance(leaf.element, ContinueAsNew):
            self.changes.handovers[leaf.key] = leaf
        else:
            leaf.order = leaf.path()
            self.changes.timers.append(leaf)

    def has_begun(self, leaf: Leaf) -> bool:
        """Whether frames say that it waits for somebody: what it depends on was there then, and may be gone now."""
        memory = self.tree.state.nodes.get(leaf.key)
        return memory is not None and memory.shown.startswith("waiting-")

    def offer(self, leaf: Leaf) -> None:
        """A task that may begin, as far as its place goes."""
        leaf.order = leaf.path()
        if has_turn(self.tree.state.nodes.get(leaf.key)):
            take_off(leaf)
            self.changes.admitted[leaf.key] = leaf
        else:
            leaf.ready = True
            self.changes.candidates.append(leaf)

    def has_spent(self, leaf: Leaf) -> bool:
        return isinstance(leaf.element, Task) and spent_around(self.tree.state, leaf) is not None

    def come_out(self, leaf: Leaf, element: Outcome) -> None:
        """An inline subflow whose tree is done."""
        if leaf.is_halted:
            self.cancel(leaf)
        elif take_outcome(self.tree, leaf, element, self.changes.people):
            self.changed(element.id)
            self.finish(leaf, DONE)
        else:
            self.start(leaf)

    def ask(self, leaf: Leaf) -> None:
        leaf.waiting, leaf.order = True, leaf.path()
        self.changes.asked.append(leaf)
        self.let_pass(leaf)
        if isinstance(leaf.element, Approval) and leaf.element.auto_approve is not None:
            self.hopeful[leaf] = None

    def ask_condition(self) -> None:
        """Lets the first of the approvals in question approve itself, once it is known what others bring."""
        leaf = min(self.hopeful, key=lambda one: one.path())
        del self.hopeful[leaf]
        if not leaf.attached or not leaf.waiting or leaf.is_halted:
            return
        if approves_itself(self.tree, leaf, self.changes.people):
            self.changed(leaf.element.id)
            self.finish(leaf, DONE)

    # what others may go past

    def let_pass(self, leaf: Leaf) -> None:
        """An async question stands aside while it is asked; a task that one is asked for, until it is done."""
        if getattr(leaf.element, "async_", False):
            self.step_aside(leaf)

    def step_aside(self, mount: Mount) -> None:
        """What comes after goes on. Groups whose children are all done or aside stand aside; passes and runs wait."""
        if mount.aside:
            return
        mount.aside = True
        if mount.parent is not None:
            mount.parent.asides += 1
            self.queue(mount.parent)

    def come_back(self, mount: Mount) -> None:
        if mount.aside and mount.parent is not None:
            mount.parent.asides -= 1
        mount.aside = False

    def miss(self, leaf: Leaf, how: str) -> None:
        """Ends a leaf without an output."""
        memory = self.tree.state.nodes.get(leaf.key)
        if memory is None or memory.outcome != how:
            self.changes.final[leaf.key] = how
        self.never_comes(leaf.key, how)
        self.finish(leaf, DONE)

    def never_come(self, keys: Iterable[str]) -> None:
        """Nodes of a block that is over, in spite of a failure or without having ended them."""
        nodes = self.tree.state.nodes
        for key in keys:
            outcome = nodes[key].outcome if key in nodes else ""
            self.never_comes(key, outcome if outcome in ("skipped", "cancelled") else "failed")

    def never_comes(self, key: str, why: str) -> None:
        """Tells readers that an output will never come."""
        if self.note_absent(key, why):
            self.changed(split_node_key(key)[0])

    def note_absent(self, key: str, why: str) -> bool:
        """Whether that is news. Readers may render at once, so the state must say it now."""
        is_news = key not in self.tree.state.absent
        if is_news:
            self.tree.state.absent[key] = self.changes.absent[key] = why
        return is_news

    def give_up(self, leaf: Leaf) -> None:
        if getattr(leaf.element, "continue_on_fail", False):
            self.never_comes(leaf.key, "failed")
            self.finish(leaf, DONE)
        elif leaf.aside:
            remount(self)  # what has gone past it looks at it again
        else:
            self.finish(leaf, FAILED)

    def finish(self, mount: Mount, status: str) -> None:
        """Makes a mount final and lets its parent go on."""
        if mount.status in FINAL:
            return
        mount.status = status
        if status == FAILED and isinstance(mount, Group) and not isinstance(mount, LoopGroup | GuardGroup):
            self.tree.failing[mount] = None
        if isinstance(mount, Leaf):
            mount.ready = mount.waiting = False
            self.changes.leaves[mount.key] = mount
            self.wake(mount.element.id)
        if isinstance(mount, LoopGroup | GuardGroup):
            self.wake_all()
        self.come_back(mount)
        parent = mount.parent
        if parent is not None:
            parent.open -= 1
            if status == FAILED and parent.parallel and not parent.tolerant:
                self.fail_around(parent)
            self.queue(parent)

    def wake(self, id: str) -> None:
        self.woken.pop(id, None)
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
                start_loop(self, mount)
            case GuardGroup():
                start_block(self, mount)
            case Group():
                if mount.parallel:
                    for child in mount.children:
                        self.activate(child)
                self.go_on(mount)
            case _:
                pass

    def go_on(self, group: Group) -> None:
        if group.status != ACTIVE:
            return
        if isinstance(group, PartGroup) and group.suspended:
            if group.beside:
                self.step_aside(group)
            return
        if isinstance(group, LoopGroup):
            go_on_loop(self, group)
        elif isinstance(group, GuardGroup):
            go_on_block(self, group)
        elif group.parallel:
            self.go_on_parallel(group)
        else:
            self.go_on_sequence(group)

    def go_on_sequence(self, group: Group) -> None:
        while group.cursor < len(group.children):
            child = group.children[group.cursor]
            self.activate(child)
            if child.status == FAILED and not group.tolerant:
                self.fail_sequence(group)
                return
            if child.status not in FINAL and not child.aside:
                if group.failing:
                    self.fail_sequence(group)
                return
            group.cursor += 1
            if self.dirty:  # what comes next may be about to look different
                self.queue(group)
                return
        if group.failing or any(child.status == FAILED for child in group.children):
            self.fail_sequence(group)
        else:
            self.leave(group)

    def fail_sequence(self, group: Group) -> None:
        self.withdraw_begun(group)
        group.failing = True
        for block in blocks_below(group):
            self.queue(block)
        self.finish(group, FAILED)

    def leave(self, group: Group) -> None:
        if group.asides:
            self.step_aside(group)
        else:
            self.finish(group, DONE)

    def withdraw_begun(self, group: Group) -> None:
        """A failed sequence waits for nothing any more: neither for what stands aside in it nor for what has gone past
        that. Its tasks in flight end by themselves."""
        for leaf in halted_leaves(group):
            if (leaf.waiting or self.has_begun(leaf)) and leaf.status not in FINAL and self.is_open(leaf):
                self.cancel(leaf)

    def go_on_parallel(self, group: Group) -> None:
        if group.failing:
            if group.is_quiet:
                self.withdraw(group)
                self.finish(group, FAILED)
        elif group.open == group.asides:
            if group.tolerant and any(child.status == FAILED for child in group.children):
                self.finish(group, FAILED)
            else:
                self.leave(group)
        if group.tolerant and group.status == ACTIVE and group.parent is not None:
            self.queue(group.parent)

    def fail_around(self, group: Group) -> None:
        """Marks the parallel group as failing, through the parts that belong to it."""
        reached: Group | None = group
        while reached is not None and reached.parallel:
            if not reached.failing:
                reached.failing = True
                self.tree.failing[reached] = None
                self.withdraw_waiting(reached)
                if reached.fail_fast:
                    self.withdraw(reached)
                self.queue(reached)
                for block in blocks_below(reached):
                    self.queue(block)
            reached = reached.parent if isinstance(reached, PartGroup) else None

    def withdraw_waiting(self, group: Group) -> None:
        """Ends what has not begun below, whether its turn had come or not: a cold planner cannot tell the two apart."""
        for leaf in halted_leaves(group):
            if leaf.status not in FINAL and not self.is_at_work(leaf) and self.is_open(leaf):
                self.cancel(leaf)

    def is_open(self, leaf: Leaf) -> bool:
        """Whether something would have to be done, or is asked, for a leaf."""
        memory = self.tree.state.nodes.get(leaf.key)
        timer = memory is not None and memory.timer and memory.n
        return bool(timer) or waits_for_turn(memory) or judge(leaf.element, memory) in ("fresh", "retry")

    def is_at_work(self, leaf: Leaf) -> bool:
        """Whether it is in flight, and does not just wait for its turn in a queue."""
        memory = self.tree.state.nodes.get(leaf.key)
        return leaf.in_flight and not (waits_for_turn(memory) or has_turn(memory))

    def halt(self, group: Group) -> None:
        """Withdraws what is in flight or open below, and lets blocks clean up."""
        self.withdraw(group)
        for block in blocks_below(group):
            self.queue(block)

    def withdraw(self, group: Group) -> None:
        for leaf in halted_leaves(group):
            if self.is_at_work(leaf):
                self.changes.withdrawn[leaf.key] = leaf
            elif leaf.status not in FINAL and self.is_open(leaf):
                self.cancel(leaf)

    def cancel(self, leaf: Leaf) -> None:
        """Ends a leaf that no task runs for. One that no frame has shown, where nothing begins, was never there."""
        memory = self.tree.state.nodes.get(leaf.key)
        if memory is not None and memory.n:
            self.changes.withdrawn[leaf.key] = leaf
        leaf.ready = leaf.waiting = False
        leaf.status = DONE
        if land(leaf):
            self.free(leaf)
        self.come_back(leaf)
        if leaf.parent is not None:
            leaf.parent.open -= 1
            self.queue(leaf.parent)
        if memory is None and leaf.is_halted:
            self.changes.leaves.pop(leaf.key, None)
        else:
            self.changes.final[leaf.key] = "cancelled"
            self.changes.leaves[leaf.key] = leaf
            is_news = self.note_absent(leaf.key, "cancelled")
            self.woken[leaf.element.id] = is_news or self.woken.get(leaf.element.id, False)


def needs_output(task: Task[object], id: str) -> bool:  # type: ignore[type-var]
    return any(task.needs.get(name, name) == id for name in task.deps)


def halted_leaves(group: Group) -> list[Leaf]:
    """The leaves that a halt of the group concerns: all but those of cleanups."""
    return [mount for mount in group.below(shielded=False) if isinstance(mount, Leaf)]
