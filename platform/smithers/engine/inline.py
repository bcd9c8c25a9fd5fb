"""Inline subflows: a workflow's tree within another one's, with ids, input and reads of its own.

What an author's function returns is mounted as it is; only as a leaf or a loop is put up, its ids get the prefix of
the place it stands in (`Scope.prefix`). The function itself reads through `OwnReads`, which does the same to the ids it
asks for. So neither the functions below nor their closures have to know where they run.

An inline subflow is spelled out in elements there are already: a sequence of its tree and of the node that has its
output, within a time limit and a block that tolerates failures where the author wants these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from smithers.engine.entry import Json, split_node_key
from smithers.engine.mounts import Group, GuardGroup, Leaf
from smithers.engine.reads import Reads
from smithers.engine.scope import Scope
from smithers.engine.state import State
from smithers.errors import RenderError
from smithers.flow.element import Element, Part
from smithers.flow.group import Sequence
from smithers.flow.guard import TryCatchFinally
from smithers.flow.human import HumanTask
from smithers.flow.stored import read_back
from smithers.flow.subflow import MOST_DEEP, Inline, Outcome, Subflow
from smithers.flow.task import Task
from smithers.flow.where import show

if TYPE_CHECKING:
    from smithers.engine.tree import Tree

M = TypeVar("M", bound=BaseModel)
LONGEST_ID: Final = 200


def spelled_out(subflow: Subflow[Any]) -> Element:
    """The elements that an inline subflow stands for."""
    where = subflow.where
    children = (Inline(subflow=subflow, where=where), Outcome.of(subflow))
    found: Element = Sequence(id=subflow.id, timeout=subflow.timeout, children=children, where=where)
    if subflow.continue_on_fail:
        nothing = Part(lambda: None, (), where)
        found = TryCatchFinally(id=f"{subflow.id}:tolerated", catch=nothing, children=(found,), where=where)
    return found


def renderer(tree: Tree, subflow: Subflow[Any], outside: Scope, inside: Scope, input: Any) -> Callable[[], Any]:
    """A function that renders the child's tree, once what it depends on is there."""
    if inside.depth + tree.state.depth > MOST_DEEP:
        raise too_deep(subflow, inside.prefix)
    context = tree.new_context(input, OwnReads(tree.reads, outside, inside.prefix))
    tree.contexts[inside.owner] = context

    def render() -> Any:
        for id in subflow.upstream():
            tree.reads.wait_for(outside.prefix + id, subflow.where)
        return subflow.workflow(context)

    return render


def too_deep(subflow: Subflow[Any], path: str) -> RenderError:
    return RenderError(
        f"Subflow({subflow.id!r}) at {show(subflow.where)} is the {MOST_DEEP + 1}th within another "
        f"({path.rstrip('.')[-80:]}): most likely {subflow.workflow.name!r} runs itself without end. Give it a "
        "condition, or a loop.",
        code="SUBFLOW_TOO_DEEP",
        node=subflow.id,
    )


def within(element: Any, prefix: str) -> Any:
    """The same leaf or loop with its id, and the ids it waits for, prefixed. Raises `RenderError` for a too long id."""
    if not prefix:
        return element
    if len(prefix) + len(element.id) > LONGEST_ID:
        what = f"{type(element).__name__}({element.id!r}) at {show(element.where)}"
        raise RenderError(f"{what}: with the ids of the subflows around it, {prefix!r}, its id is too long.")
    changes: Json = {"id": prefix + element.id}
    if hasattr(element, "depends_on"):
        changes["depends_on"] = tuple(prefix + id for id in element.depends_on)
    if hasattr(element, "needs"):
        named = {name: name for name in getattr(element, "deps", {})} | dict(element.needs)
        changes["needs"] = {name: prefix + id for name, id in named.items()}
    found = replace(element, **changes)
    if hasattr(element, "event"):  # a signal is named after its id, and whoever sends it knows only that
        object.__setattr__(found, "event", element.event)
    return found


@dataclass(frozen=True, slots=True)
class OwnReads:
    """What the function of an inline subflow reads: the nodes of its own tree, in the pass that the subflow is in."""

    reads: Reads
    outside: Scope
    prefix: str

    def output(self, model: type[M], node: str, iteration: int | str | None) -> M:
        return self.reads.output(model, self.prefix + node, self.full(iteration))

    def output_maybe(self, model: type[M], node: str, iteration: int | str | None) -> M | None:
        return self.reads.output_maybe(model, self.prefix + node, self.full(iteration))

    def latest(self, model: type[M], node: str) -> M | None:
        return self.reads.latest(model, self.prefix + node, self.outside.path)

    def iteration_count(self, node: str) -> int:
        return self.reads.iteration_count(self.prefix + node, self.outside.path)

    def iterations(self) -> dict[str, int]:
        found = list(self.reads.iterations().items())[len(self.outside.loops) :]
        return {loop.removeprefix(self.prefix): turn for loop, turn in found}

    def full(self, iteration: int | str | None) -> str | None:
        """The iteration as the log has it, which counts the loops around the subflow too."""
        if iteration is None:
            return None
        return ".".join(part for part in (self.outside.iteration, str(iteration)) if part)


def last_output(state: State, group: Group) -> str:
    """Key of the last task below, in tree order, that has an output; empty where there is none."""
    for mount in reversed(group.children):
        match mount:
            case Leaf():
                memory = state.nodes.get(mount.key)
                counts = isinstance(mount.element, Task | HumanTask | Outcome)
                found = mount.key if counts and memory and memory.has_output and mount.key not in state.absent else ""
            case GuardGroup() if not mount.children:
                found = str(state.stages.get(mount.key, {}).get("last", ""))
            case Group():
                found = last_output(state, mount)
            case _:
                found = ""
        if found:
            return found
    return ""


def outcome(state: State, leaf: Leaf, element: Outcome) -> tuple[Any, Json | None]:
    """The output of an inline subflow, or why it has none that fits."""
    assert leaf.parent is not None
    tree = leaf.parent.children[leaf.index - 1]
    key = last_output(state, tree) if isinstance(tree, Group) else ""
    subflow = element.subflow
    if not key:
        return None, misfit(subflow.workflow.name, subflow, "no task of it has an output")
    output = state.nodes[key].output
    found = problem(subflow, output)
    return output, misfit(subflow.workflow.name, subflow, f"{split_node_key(key)[0]!r}: {found}") if found else None


def problem(subflow: Subflow[Any], output: Any) -> str:
    """Why a value is not what the subflow's output model wants; empty if it is."""
    try:
        read_back(subflow.output, output)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    return ""


def misfit(child: str, subflow: Subflow[Any], why: str) -> Json:
    name = subflow.output.__name__
    return {
        "code": "INVALID_OUTPUT",
        "message": f"The output of {child} does not fit {name}, the output of Subflow({subflow.id!r}) at "
        f"{show(subflow.where)}: {why}. What a workflow ends with is the output of the last task in its tree.",
        "retryable": False,
    }


def context_of(tree: Tree, scope: Scope) -> Any:
    """What a condition in this place is given: its own workflow's context."""
    return tree.contexts.get(scope.owner, tree.context)
