"""Renders an author's function into mounts, and takes parts down and puts them up again.

**The idea.** The reference renders everything after every completion and compares. Here every function used as a
child (a *part*) remembers which nodes' outputs it has read, and only parts that have read something that changed are
rendered again: their subtree is taken down and put up anew from the state, everything else stays as it is. Nothing is
compared or patched, because a mount holds nothing that the state does not know: a task that is in flight, finished or
skipped is found so again under its key when its part comes back. What was in flight and does not come back is an
orphan, and the plan cancels it.

**Why no diff.** A diff needs identity for functions, and closures are new at every render. Taking down and putting up
is linear in the part, which the author chose the size of, and it cannot leave anything behind.

**Late binding.** `for i in ...: Task(...)[lambda: work(i)]` makes functions that all see the last `i`. Elements note
what the free variables of their function held when they were written; a different value after rendering is refused
here, with the variable's name, before it does the wrong thing a hundred times.

**Costs.** Mounting a leaf is about ten microseconds; a part is its author's function plus its leaves. A workflow that
reads nothing but its input is rendered once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from smithers.engine.entry import Json, node_key
from smithers.engine.inline import renderer, spelled_out, within
from smithers.engine.inputs import unfit_input
from smithers.engine.mounts import (
    WIDTH,
    AspectsGroup,
    Group,
    GuardGroup,
    Leaf,
    LeafElement,
    LoopGroup,
    Mount,
    PartGroup,
    place,
)
from smithers.engine.reads import Reads, Skipped, Suspended
from smithers.engine.scope import OUTSIDE
from smithers.engine.stage_bodies import body_of_stage, stage_scope
from smithers.engine.stages import first_record, holds, is_shielded
from smithers.engine.state import State, most_in_flight
from smithers.engine.steady import check_steady
from smithers.engine.subflows import checked, run_name
from smithers.errors import InvalidElement, RenderError, SmithersError
from smithers.flow.approval import Approval
from smithers.flow.aspects import Aspects, LatencyLimit
from smithers.flow.binding import misfit
from smithers.flow.call import takes_argument
from smithers.flow.context import Context, Continuation, Reader
from smithers.flow.continuing import ContinueAsNew
from smithers.flow.deadline import Deadline, Race, Timed
from smithers.flow.element import Node, Part, captured, normalized
from smithers.flow.event import Signal, WaitForEvent
from smithers.flow.group import MergeQueue, Parallel, Sequence
from smithers.flow.guard import Guard, SagaStep
from smithers.flow.human import HumanTask
from smithers.flow.loop import Loop, Turn
from smithers.flow.stored import read_back
from smithers.flow.subflow import Inline, Outcome, Subflow
from smithers.flow.task import Task
from smithers.flow.wait import Timer
from smithers.flow.where import LIBRARY, PACKAGE, Where, show
from smithers.flow.workflow import AnyWorkflow


@dataclass(slots=True, eq=False)
class Tree:
    """The mounted tree of one run with its indexes."""

    workflow: AnyWorkflow
    state: State
    context: Context[Any] = field(init=False)
    reads: Reads = field(init=False)
    root: PartGroup = field(init=False)
    leaves: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    homes: dict[str, str] = field(default_factory=dict[str, str])
    readers: dict[str, dict[PartGroup, None]] = field(default_factory=dict[str, dict[PartGroup, None]])
    watchers: dict[str, dict[Leaf, None]] = field(default_factory=dict[str, dict[Leaf, None]])
    """By node id: approvals whose condition has read it."""
    loops: dict[str, LoopGroup] = field(default_factory=dict[str, LoopGroup])
    guards: dict[str, GuardGroup] = field(default_factory=dict[str, GuardGroup])
    aspects: dict[str, AspectsGroup] = field(default_factory=dict[str, AspectsGroup])
    queues: dict[str, dict[Leaf, int]] = field(default_factory=dict[str, dict[Leaf, int]])
    """Which limit each task gives the queue that it names one for."""
    failed_before: list[GuardGroup] = field(default_factory=list[GuardGroup])
    """Blocks mounted since the last look that had failed by then."""
    failing: dict[Group, None] = field(default_factory=dict[Group, None])
    """Groups that fail or have failed; those that have left the tree are dropped at the next look."""
    down: dict[str, None] = field(default_factory=dict[str, None])
    """Keys of leaves that were taken down since the last frame; see `orphans`."""
    freed: dict[Group, None] = field(default_factory=dict[Group, None])
    """Groups in which a slot became free because a leaf was taken down."""
    contexts: dict[str, Context[Any]] = field(default_factory=dict[str, Context[Any]])
    """What the functions of inline subflows are given, by the subflow's key."""
    steady: set[Where] = field(default_factory=set[Where])
    """Lines of functions that were seen to render the same twice; the whole tree's is looked at before a run."""
    mounted: int = 0
    fresh: list[Leaf] = field(default_factory=list[Leaf])
    """Leaves mounted since the last look."""

    def __post_init__(self) -> None:
        self.reads = Reads(self.state, self.home)
        input = run_input(self.workflow, self.state.input)
        self.context = Context(self.state.run_id, input, self.reads, continuation_of(self.state))
        self.reads.context = self.context
        self.put_up_root()
        self.down.update(dict.fromkeys(self.state.nodes))

    def new_context(self, input: Any, reader: Reader) -> Context[Any]:
        return Context(self.state.run_id, input, reader)

    def fell(self) -> None:
        """Lets go of all that is mounted, for a tree that nobody asks anything any more. Groups and what is in them
        hold on to each other: all would stay until the garbage collector comes by, and for good where that leaves it
        out."""
        groups: list[Group] = [self.root]
        while groups:
            group = groups.pop()
            groups += [child for child in group.children if isinstance(child, Group)]
            group.children = []
        self.leaves.clear()
        self.fresh.clear()

    def orphans(self) -> list[str]:
        """Keys of nodes that left the tree while they were open."""
        nodes = self.state.nodes
        gone = (key for key in sorted(self.down) if key in nodes and key not in self.leaves)
        return [key for key in gone if self.state.is_at_stake(key)]

    def home(self, node: str) -> str | None:
        """The loops around a node id, by slashes; None for an id that never was in the tree."""
        found = self.homes.get(node)
        if found is None:
            found = self.state.homes.get(node)
        return "" if found is None and node_key(node, "") in self.state.nodes else found

    def put_up_root(self) -> None:
        most = most_in_flight(self.state.options)
        self.root = PartGroup(
            None, 0, OUTSIDE, function=lambda: root_of(self.workflow, self), where=self.workflow.where, cap=most
        )
        self.root.closed = self.state.is_leaving
        self.settle_in(self.root, None)
        self.render(self.root)

    def settle_in(self, group: Group, parent: Group | None) -> None:
        """Gives a group what it has by its place: ordinals, and that it fails, if frames say so."""
        share(group, parent)
        if self.state.failing and not isinstance(group, LoopGroup | GuardGroup):
            group.lost = self.state.failing.get(place(group))
            group.failing = group.lost is not None
            if group.failing:
                self.failing[group] = None

    def render(self, part: PartGroup) -> None:
        """Calls the author's function and mounts what it returns. A suspended part has no children."""
        for node in part.reads:
            self.readers.get(node, {}).pop(part, None)
        part.reads, part.suspended = {}, None
        try:
            with self.reads.during(part.scope, part.reads):
                children = list(normalized(part.function(), "This function", part.where))
                if part.where not in self.steady and part is not self.root:
                    self.steady.add(part.where)
                    check_steady(children, normalized(part.function(), "This function", part.where), part.where)
        except Suspended as wait:
            part.suspended, children = wait.missing, []
        except Skipped:
            children = []
        except InvalidElement as error:
            raise RenderError(error.message, **{"code": error.code, **error.data}) from error
        except SmithersError:
            raise
        except Exception as error:
            raise RenderError(f"Rendering failed: {describe(error, part.where)}", cause=type(error).__name__) from error
        for node in part.reads:
            self.readers.setdefault(node, {})[part] = None
        self.adopt(part, children)

    def adopt(self, group: Group, children: Iterable[Node]) -> None:
        """Mounts children into a group that has none.

        Each child gets an equal share of its parent's ordinals, so that they sort as the tree reads, also when parts
        render later, and depend on nothing but the tree.
        """
        children = list(children)
        group.step //= max(1, len(children))
        group.children = [self.mount(child, group, index) for index, child in enumerate(children)]
        group.open = len(group.children)
        group.cursor = group.asides = 0

    def mount(self, child: Node, parent: Group, index: int) -> Mount:
        match child:
            case Part():
                return self.mount_part(child, parent, index)
            case Signal() if child.child is not None:
                return self.mount_signal(child, child.child, parent, index)
            case Subflow() if child.mode == "inline":
                return self.mount_inline(child, parent, index)
            case Inline():
                return self.mount_own(child.subflow, parent, index)
            case Task() | Approval() | HumanTask() | Timer() | WaitForEvent() | Outcome() | ContinueAsNew():
                return self.mount_leaf(child, parent, index)
            case Timed() if child.timeout is not None:
                return self.mount_guard(Deadline.around(child), parent, index)
            case Aspects():
                return self.mount_aspects(child, parent, index)
            case Loop():
                return self.mount_loop(child, parent, index)
            case Guard():
                return self.mount_guard(child, parent, index)
            case Sequence() | Parallel():
                return self.mount_group(child, parent, index)
            case SagaStep():
                raise RenderError(f"SagaStep({child.id!r}) at {show(child.where)} belongs directly in a Saga.")
            case _:
                raise RenderError(
                    f"{type(child).__name__} at {show(child.where)} is an element that nobody understands: "
                    "return the built-in elements, or functions of them."
                )

    def mount_part(self, part: Part, parent: Group, index: int) -> PartGroup:
        self.check_binding(part.function, part.captured, "A function used as a child", part.where)
        group = PartGroup(
            parent, index, parent.scope, parallel=parent.parallel, function=part.function, where=part.where
        )
        self.settle_in(group, parent)
        self.render(group)
        return group

    def mount_group(self, element: Sequence | Parallel, parent: Group, index: int) -> Group:
        group = Group(parent, index, parent.scope, id=element.id, kind=kind_of(element))
        self.settle_in(group, parent)
        if isinstance(element, Parallel):
            group.parallel, group.cap, group.fail_fast = True, element.max_concurrency, element.fail_fast
        if isinstance(element, MergeQueue):
            group.shared = element.queue
        self.adopt(group, () if element.skip_if else element.children)
        return group

    def mount_aspects(self, element: Aspects, parent: Group, index: int) -> Mount:
        """A limit of its time stands around it."""
        if element.latency_slo is not None:
            return self.mount_guard(LatencyLimit.of(element), parent, index)
        key = node_key(parent.scope.prefix + element.name, parent.scope.iteration)
        if key in self.aspects:
            raise duplicate(element.name, self.aspects[key].aspects.where, element.where, "Aspects")
        group = self.aspects[key] = AspectsGroup(parent, index, parent.scope, aspects=element, key=key)
        self.settle_in(group, parent)
        self.adopt(group, element.children)
        return group

    def mount_signal(self, signal: Signal[Any], child: Part, parent: Group, index: int) -> Group:
        """The wait, and after it a part that reads the payload and hands it to the author's function."""
        self.check_binding(child.function, child.captured, f"The child of Signal({signal.id!r})", child.where)

        def render() -> Any:
            try:
                payload = self.context.output(signal.output, parent.scope.prefix + signal.id)
            except Suspended as wait:  # it is the signal that reads, wherever this is rendered from
                raise Suspended(replace(wait.missing, where=signal.where)) from None
            return child.function(payload)

        group = Group(parent, index, parent.scope)
        self.settle_in(group, parent)
        self.adopt(group, (replace(signal, children=()), Part(render, (), child.where)))
        part = group.children[1]
        assert isinstance(part, PartGroup)
        part.beside = signal.async_
        return group

    def mount_inline(self, subflow: Subflow[Any], parent: Group, index: int) -> Group:
        group = Group(parent, index, parent.scope)
        self.settle_in(group, parent)
        skipped = replace(Outcome.of(subflow), skip_if=True)
        self.adopt(group, (skipped if subflow.skip_if else spelled_out(subflow),))
        return group

    def mount_own(self, subflow: Subflow[Any], parent: Group, index: int) -> PartGroup:
        """The tree of an inline subflow: a part in a scope of its own."""
        outside = parent.scope
        inside = outside.below(outside.prefix + subflow.id)
        input = run_input(subflow.workflow, checked(subflow))
        function = renderer(self, subflow, outside, inside, input)
        group = PartGroup(parent, index, inside, function=function, where=subflow.where)
        self.settle_in(group, parent)
        self.render(group)
        return group

    def mount_leaf(self, element: LeafElement, parent: Group, index: int) -> Leaf:
        scope = parent.scope
        if isinstance(element, Subflow):
            if not element.skip_if:
                checked(element)
        elif isinstance(element, Task):
            self.check_task(element)
        elif isinstance(element, ContinueAsNew):
            self.check_handover(element, parent)
        element = within(element, scope.prefix)
        key = node_key(element.id, scope.iteration)
        twin = self.leaves.get(key)
        if twin is not None:
            raise duplicate(element.id, twin.element.where, element.where, type(element).__name__)
        ordinal = parent.low + index * parent.step
        leaf = self.leaves[key] = Leaf(parent, index, scope, element=element, key=key, ordinal=ordinal)
        self.mounted += 1
        leaf.born = self.mounted
        self.homes[element.id] = scope.home
        memory = self.state.nodes.get(key)
        if memory is not None and memory.n:
            take_off(leaf)
        self.fresh.append(leaf)
        return leaf

    def check_handover(self, element: ContinueAsNew, parent: Group) -> None:
        what = f"ContinueAsNew({element.id!r}) at {show(element.where)}"
        if parent.scope.prefix:
            raise RenderError(
                f"{what} stands in an inline subflow, which is no run: it would end the run around it. Use "
                "mode='child_run', or let the workflow around it continue as new."
            )
        if parent.shielded or any(group.shielded for group in parent.ancestors()):
            raise RenderError(
                f"{what} stands in a cleanup, which runs when the run is cancelled, too: put it behind the block."
            )

    def check_task(self, task: Task[Any]) -> None:
        if task.body is None:
            raise RenderError(
                f"Task({task.id!r}) at {show(task.where)} has no body: write Task(...)[function or value]."
            )
        if task.bound is not None:
            if wrong := misfit(task.bound, task.deps):
                raise RenderError(f"Task({task.id!r}) at {show(task.where)} {uncallable(task, wrong)}")
            self.check_binding(task.bound.function, task.captured, f"Task({task.id!r})", task.where)
        if task.cache is not None and task.cache.by is not None:
            self.check_binding(task.cache.by, task.cache.captured, f"The cache of Task({task.id!r})", task.where)

    def check_binding(
        self, function: Callable[..., Any], held: tuple[tuple[str, int], ...], what: str, where: Where
    ) -> None:
        if not held or captured(function) == held:
            return
        now = dict(captured(function))
        names = ", ".join(name for name, value in held if now.get(name) != value)
        raise RenderError(
            f"{what} at {show(where)} uses {names}, which has changed since the element was written: every function "
            f"made in that loop sees its last value. Bind it with call(function, {names}), or with a default argument.",
            code="LATE_BINDING",
        )

    def mount_loop(self, loop: Loop, parent: Group, index: int) -> LoopGroup:
        if not loop.id:
            raise RenderError(f"Loop at {show(loop.where)} has nothing in it: write Loop(until=...)[body].")
        loop = within(loop, parent.scope.prefix)
        key = node_key(loop.id, parent.scope.iteration)
        if key in self.loops:
            raise duplicate(loop.id, self.loops[key].loop.where, loop.where, "Loop")
        group = self.loops[key] = LoopGroup(parent, index, parent.scope, loop=loop, key=key)
        self.settle_in(group, parent)
        if not loop.skip_if:
            self.enter(group, self.state.loops.get(key, 0))
        return group

    def enter(self, group: LoopGroup, turn: int) -> None:
        """Mounts one pass in place of the one before."""
        self.take_down_children(group)
        group.turn = turn
        scope = group.scope.inside(group.loop.id, turn)
        part = PartGroup(group, 0, scope, function=body_of(group.loop, turn), where=group.loop.where)
        self.settle_in(part, group)
        self.render(part)
        group.children, group.open = [part], 1

    def mount_guard(self, guard: Guard, parent: Group, index: int) -> GuardGroup:
        key = node_key(parent.scope.prefix + name_of(guard), parent.scope.iteration)
        if key in self.guards:
            raise duplicate(guard.name, self.guards[key].guard.where, guard.where, guard.kind)
        group = self.guards[key] = GuardGroup(parent, index, parent.scope, guard=guard, key=key)
        self.settle_in(group, parent)
        record = self.state.stages.get(key)
        if not guard.skip_if:
            self.enter_stage(group, record)
        if record is not None and record.get("end") == "failed" and not guard.skip_if:
            self.failed_before.append(group)
        return group

    def enter_stage(self, group: GuardGroup, known: Json | None) -> None:
        """Mounts one stage in place of the one before. A block that is over has nothing mounted, one that has not
        begun (`known` is None) its first stage."""
        record = known or first_record()
        hold(group, holds(group.guard, known))
        if group.children and group.stage == record["stage"]:
            stage_settings(group, record)
            return
        self.take_down_children(group)
        group.stage = record["stage"]
        if "end" in record:
            return
        scope = stage_scope(group, record)
        part = PartGroup(group, 0, scope, function=body_of_stage(group.guard, record), where=group.guard.where)
        group.children, group.open = [part], 1
        stage_settings(group, record)
        self.settle_in(part, group)
        self.render(part)

    def take_down_children(self, group: Group) -> None:
        for child in group.children:
            self.take_down(child)
        group.children, group.open, group.cursor, group.asides = [], 0, 0, 0

    def take_down(self, mount: Mount) -> None:
        mount.attached = False
        match mount:
            case Leaf():
                del self.leaves[mount.key]
                self.down[mount.key] = None
                if land(mount):
                    self.freed.update(dict.fromkeys(group for group in mount.ancestors() if group.parked))
            case LoopGroup():
                del self.loops[mount.key]
                self.take_down_children(mount)
            case GuardGroup():
                del self.guards[mount.key]
                hold(mount, False)
                self.take_down_children(mount)
            case AspectsGroup():
                del self.aspects[mount.key]
                self.take_down_children(mount)
            case PartGroup():
                for node in mount.reads:
                    self.readers.get(node, {}).pop(mount, None)
                self.take_down_children(mount)
            case Group():
                self.take_down_children(mount)
            case _:
                pass

    def again(self, part: PartGroup) -> None:
        """Renders a part once more, in its place. Its own status stays; its children are idle."""
        self.take_down_children(part)
        part.failing, part.lost = False, None
        part.parked.clear()
        self.settle_in(part, part.parent)
        self.render(part)


def kind_of(element: Sequence | Parallel) -> str:
    """What people see."""
    if isinstance(element, MergeQueue):
        return "merge-queue"
    return "parallel" if isinstance(element, Parallel) else "sequence"


def share(group: Group, parent: Group | None) -> None:
    """Gives a group its part of its parent's ordinals."""
    group.low, group.step = (0, WIDTH) if parent is None else (parent.low + group.index * parent.step, parent.step)


def take_off(leaf: Leaf) -> None:
    """Counts a task in flight in all groups around it. Timers hold no slot."""
    if leaf.in_flight or not isinstance(leaf.element, Task):
        return
    leaf.in_flight = True
    for group in leaf.ancestors():
        group.running += 1


def land(leaf: Leaf) -> bool:
    """The opposite of `take_off`. Returns whether the leaf was in flight."""
    if not leaf.in_flight:
        return False
    leaf.in_flight = False
    for group in leaf.ancestors():
        group.running -= 1
    return True


def stage_settings(group: GuardGroup, record: Json) -> None:
    """How the children of a stage go together: a cleanup is shielded, a race has no order and bears failures."""
    stage = group.children[0]
    assert isinstance(stage, Group)
    stage.parallel = isinstance(group.guard, Race | Deadline)
    stage.tolerant = stage.parallel or record["stage"] == "undo"
    stage.shielded = is_shielded(record)
    stage.closed = "closing" in record


def name_of(guard: Guard) -> str:
    try:
        return guard.name
    except InvalidElement as error:
        raise RenderError(error.message, **{"code": error.code, **error.data}) from error


def hold(group: GuardGroup, wanted: bool) -> bool:
    """Makes the groups around a block wait for it, or not. Returns whether that is a change."""
    if group.holding == wanted:
        return False
    group.holding = wanted
    for above in group.ancestors():
        above.held += 1 if wanted else -1
    return True


def body_of(loop: Loop, turn: int) -> Callable[[], Any]:
    """The children of one pass. A single function is the body as a function of the pass."""
    if len(loop.children) == 1 and isinstance(loop.children[0], Part):
        function = loop.children[0].function
        return (lambda: function(Turn(turn))) if takes_argument(function) else function
    return lambda: loop.children


def uncallable(task: Task[Any], wrong: str) -> str:
    """Says that a body cannot be called with what its task has for it, and what to do."""
    function = task.bound.function if task.bound is not None else None
    name = getattr(function, "__name__", type(function).__name__)
    odd = next((dep for dep in task.deps if not dep.isidentifier()), "")
    advice = (
        f"outputs in deps come as parameters, and {odd!r} cannot be the name of one: write deps={{'name': Model}} and "
        f"needs={{'name': {odd!r}}}."
        if odd
        else "its arguments come from call(function, ...) and, by name, from deps."
    )
    return f"cannot call {name}: {wrong}. It is given {', '.join(task.deps) or 'nothing'} by deps; {advice}"


def run_input(workflow: AnyWorkflow, input: Json) -> Any:
    """What the author's function gets. It was checked when it was stored, by the code of that time."""
    if workflow.input is None:
        return input
    try:
        return read_back(workflow.input, input)
    except ValidationError as error:
        text = f"{unfit_input(workflow, error)} `smithers amend RUN --input JSON` gives the run another one."
        raise RenderError(text, cause="ValidationError") from None


def continuation_of(state: State) -> Continuation | None:
    """What the author's function is told of the run before."""
    about = state.continues
    return None if about is None else Continuation(state.carried, about["run"], about["root"], about["generation"])


def root_of(workflow: AnyWorkflow, tree: Tree) -> Any:
    """What the author's function returns; a child run with a time limit has that around everything."""
    limit_ms = tree.state.options.get("timeout_ms")
    if not limit_ms:
        return workflow(tree.context)
    whole = Part(lambda: workflow(tree.context), (), workflow.where)
    limit = timedelta(milliseconds=limit_ms)
    return Sequence(id=run_name(workflow), timeout=limit, children=(whole,), where=workflow.where)


def duplicate(id: str, first: Where, second: Where, kind: str) -> RenderError:
    return RenderError(
        f"Duplicate {kind} id detected: {id!r} stands at {show(first)} and at {show(second)}. "
        "Ids must be unique in the tree; put a loop's variable or a parent's id into them.",
        code="DUPLICATE_ID",
        node=id,
        id=id,
        kind=kind,
    )


def describe(error: Exception, where: Where | None = None) -> str:
    """The error with the author's line, which is the innermost one outside of the platform and of libraries, Python's
    own included; `where` is for an error that comes before any of the author's lines, as from a call that does not fit.
    """
    trace, line = error.__traceback__, "" if where is None else f" (of the function at {show(where)})"
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not ("site-packages" in file or file.startswith((PACKAGE, LIBRARY)) or file[:1] == "<"):
            line = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{line}"
