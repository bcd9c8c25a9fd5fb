"""What each stage of a block mounts, and in which scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from smithers.engine.entry import Json
from smithers.engine.mounts import GuardGroup
from smithers.engine.scope import Scope
from smithers.engine.stages import FIRST, caught
from smithers.flow.call import takes_argument
from smithers.flow.deadline import Deadline, Race
from smithers.flow.element import Element, Node, Part
from smithers.flow.group import Sequence
from smithers.flow.guard import Caught, Guard, Saga, TryCatchFinally
from smithers.flow.task import Task


def body_of_stage(guard: Guard, record: Json) -> Callable[[], Any]:
    """A function that returns the children of the stage."""
    match guard, record["stage"]:
        case TryCatchFinally(), "catch":
            return lambda: [given(node, caught(record)) for node in guard.catches]
        case TryCatchFinally(), "finally":
            return lambda: guard.cleanup
        case Saga(), "undo":
            return lambda: list(undoing(guard, record))
        case Race(), _:
            return lambda: [one_child(child) for child in guard.children]
        case Deadline(), _:
            return lambda: (*guard.children, guard.timer(record.get("round", 0)))
        case Saga(), _:
            return lambda: [Sequence(where=step.where)[step.children] for step in guard.all_steps]
        case _:
            return lambda: guard.children


def one_child(node: Node) -> Node:
    """A part is one runner of a race, however many children it renders to."""
    return Sequence(children=(node,), where=node.where) if isinstance(node, Part) else node


def undoing(guard: Saga, record: Json) -> Iterator[Node]:
    """Compensations of the steps that were done, last first, each as a child of its own."""
    steps = {step.id: step for step in guard.all_steps}
    for id in reversed(record.get("steps", [])):
        if id in steps:
            undo = steps[id].undo
            yield Sequence(where=steps[id].where)[(told(given(node, caught(record)), caught(record)) for node in undo)]


def given(node: Node, failure: Caught) -> Node:
    """A handler that takes the failure, with it bound; any other node as it is."""
    if not isinstance(node, Part) or not takes_argument(node.function):
        return node
    function = node.function
    return Part(lambda: function(failure), (), node.where)


def told(node: Node, failure: Caught) -> Node:
    """Tasks carry what they undo in their metadata, under `failure`: `code`, `summary`, `node`, `iteration`."""
    if isinstance(node, Task):
        task = cast("Task[Any]", node)
        what = {name: getattr(failure, name) for name in ("code", "summary", "node", "iteration")}
        return replace(task, meta={**task.meta, "failure": what})
    if isinstance(node, Element) and not isinstance(node, Guard):
        return replace(node, children=tuple(told(child, failure) for child in node.children))
    return node


def stage_scope(group: GuardGroup, record: Json) -> Scope:
    """Where the stage's nodes stand. After a resume, what has run before is mounted as a pass of its own."""
    turn = record.get("round", 0)
    kept = record["stage"] == FIRST and not isinstance(group.guard, Saga)
    return group.scope.inside(group.scope.prefix + group.guard.name, turn) if turn and not kept else group.scope
