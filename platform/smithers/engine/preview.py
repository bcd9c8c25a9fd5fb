"""A workflow looked at without running it: the tree at some point, and each of its nodes as plain data.

`preview` renders as if some tasks had been done already. It does so with the real planner, on a log that nobody stores:
what it shows is what a run with these outputs would have come to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from pydantic import BaseModel

from smithers.engine.asks import label_of
from smithers.engine.check import check_input, describe
from smithers.engine.command import Command
from smithers.engine.entry import Entry, Json, Kind, ended_key
from smithers.engine.fit import schema_of
from smithers.engine.mounts import Leaf, LoopGroup
from smithers.engine.people import ask_of
from smithers.engine.plan import Planner
from smithers.errors import InvalidInput
from smithers.flow.approval import Approval
from smithers.flow.policy import RetryPolicy, duration, milliseconds
from smithers.flow.task import Task
from smithers.flow.where import show
from smithers.flow.workflow import AnyWorkflow

Outputs = Mapping[str, Any]
"""By task id: a model, JSON that fits it, or a list of these, one for each pass of the loop around the task."""


def preview(workflow: AnyWorkflow, input: Json, outputs: Outputs | None = None, *, run_id: str = "preview") -> Json:
    """What a run would show once these tasks have these outputs; see `snapshot`.

    Raises `InvalidInput`, also for outputs of tasks that have not begun by then, and `RenderError`.
    """
    given = {id: in_turn(one) for id, one in (outputs or {}).items() if one != []}
    started = {"input": check_input(workflow, input), "digest": "", "options": {}}
    sketch = Sketch(workflow, run_id, started)
    used = sketch.carry_on(given)
    unused = [id for id in given if id not in used]
    if unused:
        begun = ", ".join(used) or "none"
        raise InvalidInput(
            f"There is an output for {unused[0]!r}, but no such task begins before. Begun with outputs: {begun}. "
            "Check the id, or give the outputs that come first.",
            fields=unused,
        )
    return snapshot(sketch.planner, frame=0)


def in_turn(outputs: Any) -> Iterator[Any]:
    return iter(cast("list[Any]", outputs)) if isinstance(outputs, list) else iter([outputs])


@dataclass(slots=True)
class Sketch:
    """A run that exists here only."""

    workflow: AnyWorkflow
    run_id: str
    started: Json
    positions: Iterator[int] = field(default_factory=lambda: count(1))
    planner: Planner = field(init=False)

    def __post_init__(self) -> None:
        self.planner = Planner.build(self.workflow, self.run_id, [self.entry("started", "started", self.started)])

    def entry(self, kind: Kind, key: str, data: Json) -> Entry:
        return Entry(next(self.positions), kind, key, data, 0)

    def carry_on(self, given: Mapping[str, Iterator[Any]]) -> list[str]:
        """Does the tasks there are outputs for, until there are none. Returns their ids."""
        used: dict[str, None] = {}
        at_work: list[Command] = []
        while True:
            at_work += self.plan()
            ready = ((command, next(given[command.node], None)) for command in at_work if command.node in given)
            command, value = next(((one, found) for one, found in ready if found is not None), (None, None))
            if command is None:
                return list(used)
            at_work.remove(command)
            used[command.node] = None
            self.end(command, value)

    def plan(self) -> tuple[Command, ...]:
        plan = self.planner.plan()
        if plan is None:
            return ()
        self.planner.stored([self.entry("frame", plan.key, plan.frame)])
        return tuple(command for command in plan.commands if command.kind in ("run", "child"))

    def end(self, command: Command, value: Any) -> None:
        output = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        data = {"n": command.n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}
        key = ended_key(command.node, command.iteration, command.attempt)
        self.planner.apply([self.entry("ended", key, {**data, "outcome": "finished", "output": output})])


def snapshot(planner: Planner, *, frame: int | None = None) -> Json:
    """`{runId, frameNo, kind, id, children, tasks}` (page render-frame): the tree, and its nodes as a flat list in the
    order in which they would run. All of it is JSON. The frame of a run that does not exist is 0."""
    leaves = list(planner.tree.root.leaves())
    return {
        "runId": planner.state.run_id,
        "frameNo": planner.state.frames if frame is None else frame,
        "kind": "workflow",
        "id": planner.workflow.name,
        "children": [describe(mount) for mount in planner.tree.root.children],
        "tasks": [descriptor(leaf, ordinal, planner) for leaf, ordinal in zip(leaves, count())],
    }


def descriptor(leaf: Leaf, ordinal: int, planner: Planner) -> Json:
    """One node as plain data: who it is, what it waits for, what it makes, and its policies (page types)."""
    element = leaf.element
    memory = planner.state.nodes.get(leaf.key)
    ask = ask_of(leaf)
    loops = [above.loop.id for above in leaf.ancestors() if isinstance(above, LoopGroup)]
    output = getattr(element, "output", None)
    return {
        "nodeId": element.id,
        "ordinal": ordinal,
        "iteration": leaf.scope.iteration or "0",
        "loopId": loops[0] if loops else None,
        "kind": leaf.kind,
        "state": memory.shown if memory is not None and memory.shown else "pending",
        "label": label_of(ask) if ask is not None and not isinstance(element, Task) else element.label,
        "meta": dict(element.meta),
        "where": show(element.where),
        "dependsOn": list(element.upstream()),
        "needs": dict(getattr(element, "needs", {})),
        "output": None if output is None else output.__name__,
        "outputSchema": None if output is None else schema_of(output),
        **parallel(leaf),
        **approval(leaf),
        **(policy(element) | body(element) if isinstance(element, Task) else {}),
    }


def parallel(leaf: Leaf) -> Json:
    """The innermost parallel group, named by its place in the tree, and the smallest cap of all groups around."""
    groups = [group for group in leaf.ancestors() if group.parallel]
    caps = [group.cap for group in groups if group.cap is not None]
    place = None if not groups else "parallel:" + ".".join(map(str, groups[0].path()))
    return {"parallelGroupId": place, "parallelMaxConcurrency": min(caps, default=None)}


def approval(leaf: Leaf) -> Json:
    """`gate` pauses before a task begins; a `decision` is a node's output."""
    element = leaf.element
    if isinstance(element, Task):
        mode = {"approvalMode": "gate", "approvalOnDeny": "fail"} if element.needs_approval else {}
        return {"needsApproval": element.needs_approval, **mode}
    if isinstance(element, Approval):
        return {"needsApproval": True, "approvalMode": "decision", "approvalOnDeny": element.on_deny}
    return {"needsApproval": ask_of(leaf) is not None}


def policy(task: Task[Any]) -> Json:
    return {
        "skipIf": task.skip_if,
        "retries": task.retries,
        "retryPolicy": backoff(task.retry),
        "timeoutMs": None if task.timeout is None else milliseconds(duration(task.timeout, "timeout")),
        "continueOnFail": task.continue_on_fail,
        "cachePolicy": None if task.cache is None else {"by": task.cache.by is not None, "version": task.cache.version},
        "isolated": task.isolated,
    }


def backoff(policy: RetryPolicy) -> Json:
    first, most = (duration(span, "delay") for span in (policy.initial_delay, policy.max_delay))
    return {"backoff": policy.backoff, "initialDelayMs": milliseconds(first), "maxDelayMs": milliseconds(most)}


def body(task: Task[Any]) -> Json:
    """What the task does: a function by its name, or the value that it gives."""
    if task.bound is not None:
        function = task.bound.function
        name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', repr(function))}"
        return {"mode": "compute", "function": name}
    value: object = task.body
    return {"mode": "static", "staticPayload": value.model_dump(mode="json") if isinstance(value, BaseModel) else None}
