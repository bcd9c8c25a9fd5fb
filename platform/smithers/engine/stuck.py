"""Why a run that is not over has nothing to do: an error for its author, never a run that hangs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smithers.engine.entry import Json, split_node_key
from smithers.engine.mounts import ACTIVE, Leaf, PartGroup
from smithers.engine.tree import Tree
from smithers.engine.waits import name, standing
from smithers.flow.task import Task
from smithers.flow.where import show


def why_stuck(tree: Tree) -> Json:
    """An error that names the reading line and the id, or the leaves that wait for each other."""
    for part in suspended(tree):
        missing = part.suspended
        assert missing is not None
        return {
            "code": "MISSING_OUTPUT",
            "message": f"No output found for {missing.node!r}, read as {missing.model} at {show(missing.where)}: "
            f"{because(tree, missing.node)}",
            "node": missing.node,
        }
    waiting = sorted((leaf for leaf in tree.leaves.values() if leaf.status == ACTIVE), key=Leaf.path)
    unmet = next(unsatisfied(tree, waiting), None)
    if unmet is not None:
        return unmet
    lines = [f"{name(leaf)} waits for {', '.join(awaited(tree, leaf))}" for leaf in waiting]
    return {
        "code": "DEPENDENCY_DEADLOCK",
        "message": "Nothing can run: " + ("; ".join(lines) or "no task is ready") + ".",
    }


def because(tree: Tree, id: str) -> str:
    if is_known(tree, id):
        why = "it has no output and none will come, and nothing else is left to run."
        return f"{why} Check the id, or read it with ctx.output_maybe."
    return (
        "no node has that id, and nothing else is left to run. Check the id, or read it with ctx.output_maybe. If the "
        "function that reads it makes that node as well, it waits for itself: read in a function of its own, used as a "
        "child after the node."
    )


def is_known(tree: Tree, id: str) -> bool:
    """Whether a node has this id: in the tree, or in the log. What was rendered once and never told does not count."""
    mounted = any(leaf.element.id == id for leaf in tree.leaves.values())
    return mounted or any(split_node_key(key)[0] == id for key in tree.state.nodes)


def unsatisfied(tree: Tree, waiting: list[Leaf]) -> Iterator[Json]:
    """Tasks that are to be given an output which nothing will bring (components-task: deps)."""
    for leaf in waiting:
        for key, id in handed_over(leaf):
            if standing(tree, leaf, id) == "wait":
                yield {
                    "code": "DEP_NOT_SATISFIED",
                    "message": f"{name(leaf)} is to be given {key!r}, the output of {id!r}: there is none and none "
                    "will come, and nothing else is left to run. Check the id, or whether that node was left out.",
                    "taskId": leaf.element.id,
                    "depKey": key,
                    "resolvedNodeId": id,
                }


def handed_over(leaf: Leaf) -> Iterator[tuple[str, str]]:
    """The keys of a task's `deps`, with the ids of the nodes that bring them."""
    if isinstance(leaf.element, Task):
        task: Task[Any] = leaf.element
        yield from ((key, task.needs.get(key, key)) for key in task.deps)


def awaited(tree: Tree, leaf: Leaf) -> list[str]:
    return [repr(id) for id in leaf.element.upstream() if standing(tree, leaf, id) == "wait"]


def suspended(tree: Tree) -> list[PartGroup]:
    parts = {part: None for parts in tree.readers.values() for part in parts if part.suspended}
    return sorted(parts, key=lambda part: part.path())
