"""What a plan does about people: takes their answers in, and approves by itself where the author has said so.

What it decides is done to the state at once, since parts may read it while the same plan is made, and is written into
the frame, from which every other planner folds the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.engine.asks import (
    AUTOMATIC,
    EXHAUSTED,
    Ask,
    Unfit,
    asks_again,
    exhausted,
    gate,
    label_of,
    taken,
    why_failed,
    without_answer,
)
from smithers.engine.entry import Json
from smithers.engine.fold import ask_anew, fail, produce
from smithers.engine.inline import context_of, outcome
from smithers.engine.mounts import Leaf
from smithers.engine.reads import Skipped, Suspended
from smithers.engine.state import NodeMemory
from smithers.engine.subflows import returned
from smithers.engine.tree import Tree
from smithers.errors import RenderError, SmithersError
from smithers.flow.approval import Approval
from smithers.flow.call import takes_argument
from smithers.flow.human import HumanTask
from smithers.flow.subflow import Outcome, Subflow
from smithers.flow.task import Task
from smithers.flow.where import show

ASKS: Final = (Approval, HumanTask)


@dataclass(slots=True, eq=False)
class Settled:
    """What a frame says of people."""

    outputs: dict[str, Json] = field(default_factory=dict[str, Json])
    """By node key: outputs that no fact brings as they are."""
    approved: list[str] = field(default_factory=list[str])
    """Of these, approvals whose condition holds."""
    auto: list[str] = field(default_factory=list[str])
    """Of these, those that want to be seen."""
    failures: dict[str, Json] = field(default_factory=dict[str, Json])
    """Subflows whose child has ended with what is no output of theirs, and why."""
    asks: dict[str, Json] = field(default_factory=dict[str, Json])
    """Nodes whose answer was not taken: which time they are asked now, and why."""

    def delta(self) -> Json:
        found: Json = {"outputs": self.outputs, "auto": self.auto, "failures": self.failures, "asks": self.asks}
        return {name: value for name, value in found.items() if value}


def ask_of(leaf: Leaf) -> Ask | None:
    """What a leaf asks of people; None where it asks nothing."""
    if isinstance(leaf.element, Task):
        return gate(leaf.element) if leaf.element.needs_approval else None
    return leaf.element if isinstance(leaf.element, ASKS) else None


def take_answer(tree: Tree, leaf: Leaf, settled: Settled) -> bool:
    """Looks at an answer that no plan has looked at. Returns whether what others read of the node changes by it."""
    memory = tree.state.nodes.get(leaf.key)
    task = leaf.element
    if isinstance(task, Approval) and memory is not None and asks_again(task, memory):
        return ask_once_more(tree, leaf, task, memory, settled)
    if isinstance(task, Subflow):
        return take_return(tree, leaf, task, settled)
    if not isinstance(task, HumanTask) or memory is None or memory.has_output or memory.outcome:
        return False
    if memory.decision is None or not memory.decision["approved"]:
        return False
    found = taken(task, memory.decision.get("value"))
    if not isinstance(found, Unfit):
        give(tree, leaf, found, settled)
        return True
    tries = memory.refusals + 1
    news: Json = {"ask": memory.ask + 1, "refusals": tries, "complaint": found.text}
    if tries >= task.max_attempts:
        what = repr(label_of(task))
        news["error"] = {"code": EXHAUSTED, "message": exhausted(what, tries, f": {found.text}")}
    settled.asks[leaf.key] = news
    ask_anew(tree.state, leaf.key, news)
    return False


def ask_once_more(tree: Tree, leaf: Leaf, approval: Approval, memory: NodeMemory, settled: Settled) -> bool:
    """After a denial, or no answer in time, that its author bears. Returns whether there was an output to take back."""
    assert memory.decision is not None
    why = why_failed(approval, memory.decision)["message"]
    news: Json = {"ask": memory.ask + 1, "refusals": memory.refusals + 1, "complaint": why, "again": True}
    settled.asks[leaf.key] = news
    had_output = memory.has_output
    ask_anew(tree.state, leaf.key, news)
    return had_output


def take_return(tree: Tree, leaf: Leaf, subflow: Subflow[Any], settled: Settled) -> bool:
    """Looks at what a child run has ended with. Returns whether the node has an output by it."""
    memory = tree.state.nodes.get(leaf.key)
    if memory is None or memory.returned is None or memory.has_output or memory.outcome:
        return False
    return settle(tree, leaf, *returned(subflow, memory), settled)


def take_outcome(tree: Tree, leaf: Leaf, element: Outcome, settled: Settled) -> bool:
    """The same of an inline subflow whose tree is done."""
    return settle(tree, leaf, *outcome(tree.state, leaf, element), settled)


def settle(tree: Tree, leaf: Leaf, output: Any, error: Json | None, settled: Settled) -> bool:
    if error is None:
        give(tree, leaf, output, settled)
        return True
    settled.failures[leaf.key] = error
    fail(tree.state, leaf.key, error)
    return False


def give(tree: Tree, leaf: Leaf, output: Json, settled: Settled) -> None:
    settled.outputs[leaf.key] = output
    produce(tree.state, leaf.key, output)


def give_missing(tree: Tree, leaf: Leaf, settled: Settled) -> bool:
    """The output of a question that nobody has answered in time, and that is done. Returns whether it was needed."""
    memory = tree.state.nodes.get(leaf.key)
    if memory is None or memory.has_output or not isinstance(leaf.element, ASKS):
        return False
    give(tree, leaf, without_answer(leaf.element), settled)
    return True


def approves_itself(tree: Tree, leaf: Leaf, settled: Settled) -> bool:
    """Whether the author's condition holds; then the approval has its output. Raises `RenderError` as the condition
    does."""
    policy = leaf.element.auto_approve if isinstance(leaf.element, Approval) else None
    if policy is None or not holds(tree, leaf, policy.condition):
        return False
    give(tree, leaf, AUTOMATIC, settled)
    settled.approved.append(leaf.key)
    if policy.audit:
        settled.auto.append(leaf.key)
    return True


def holds(tree: Tree, leaf: Leaf, condition: bool | Callable[..., bool]) -> bool:
    """What it reads is noted: the condition is asked again when that changes."""
    if isinstance(condition, bool):
        return condition
    noted: dict[str, None] = {}
    try:
        with tree.reads.during(leaf.scope, noted):
            return bool(condition(context_of(tree, leaf.scope)) if takes_argument(condition) else condition())
    except (Suspended, Skipped):
        return False
    except SmithersError:
        raise
    except Exception as error:
        raise RenderError(
            f"The condition of Approval({leaf.element.id!r}) at {show(leaf.element.where)} failed: "
            f"{type(error).__name__}: {error}."
        ) from error
    finally:
        for node in noted:
            tree.watchers.setdefault(node, {})[leaf] = None
