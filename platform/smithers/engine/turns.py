"""Queues that runs share: which tasks wait for their turn in one, and what a frame says of it.

Whether a slot is free is no function of a run's log. So a task of a queue that may begin, as far as its own run goes,
gets a command of the kind `turn` first, which no driver sees: the store writes a ticket with it (`store/turns.py`).
Whoever gives the turn stores `admitted`, which closes that command, and the plan that follows starts the task.

The turn is asked for last: after dependencies, people, caps and budgets, in all of which the task counts as begun from
then on. So nobody who has a turn waits for anything but a worker, and no two tasks wait for each other: a cap that was
taken after the turn could be held by a subflow whose tasks wait for that very turn.

A turn is for one attempt. It is over when the attempt's command closes, whatever has closed it, and when a frame says
that the node does not want it any more (`left`). A pause, and code that does not render, take it back where the task
has not begun: it would be kept from others for as long as that lasts. The next attempt waits behind those who wait by
then; the pause before a retry belongs to its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smithers.engine.entry import Json
from smithers.engine.mounts import Leaf
from smithers.engine.state import NORMAL, QUEUED, TURN_GIVEN, TURN_WANTED, NodeMemory, State
from smithers.errors import RenderError
from smithers.flow.queue import Queue
from smithers.flow.subflow import Subflow
from smithers.flow.task import Task
from smithers.flow.where import show

if TYPE_CHECKING:
    from smithers.engine.tree import Tree

KEEPS: Final = (QUEUED, "running", "cancelling")
"""States of nodes that want a turn, or have one."""


def queue_around(leaf: Leaf) -> Queue | None:
    """The queue of a task: its own, or that of the innermost shared `MergeQueue` around it."""
    element = leaf.element
    if not isinstance(element, Task) or isinstance(element, Subflow):
        return None
    if isinstance(element.queue, Queue):
        return element.queue
    return next((group.shared for group in leaf.ancestors() if group.shared is not None), None)


def has_turn(memory: NodeMemory | None) -> bool:
    """Whether its turn has come, and it has not begun."""
    return memory is not None and memory.turn == TURN_GIVEN and not memory.n


def asks_for_turn(leaf: Leaf, memory: NodeMemory | None) -> bool:
    """Whether a task that may begin has to wait for its turn first."""
    return queue_around(leaf) is not None and not has_turn(memory)


def waits_for_turn(memory: NodeMemory | None) -> bool:
    return memory is not None and memory.turn == TURN_WANTED


def limit_of(queue: Queue, state: State) -> int:
    return queue.limit or configured(state).get(queue.name, 1)


def configured(state: State) -> dict[str, int]:
    """What the project's configuration said when the run began."""
    found: dict[str, int] = state.options.get("queues") or {}
    return found


def ticket(queue: Queue, state: State) -> Json:
    """The payload of a `turn` command."""
    priority = state.options.get("priority", NORMAL)
    return {"queue": queue.name, "limit": limit_of(queue, state), "priority": priority}


def of_body(queue: Queue | None, memory: NodeMemory | None) -> Json:
    """What the command that begins a task of this queue says, so that its end gives the slot back."""
    if queue is None and not has_turn(memory):
        return {}
    return {"queue": queue.name if queue is not None else ""}


def left(shown: dict[str, str], state: State) -> list[str]:
    """Nodes that a frame shows in a state in which they want no turn any more."""
    had = (key for key, how in shown.items() if how not in KEEPS and key in state.nodes)
    return sorted(key for key in had if state.nodes[key].turn)


def check_limits(tree: Tree, fresh: list[Leaf]) -> None:
    """Refuses two limits for one queue. Raises `RenderError`."""
    for leaf in fresh:
        queue = queue_around(leaf)
        if queue is None or queue.limit is None:
            continue
        others = tree.queues.setdefault(queue.name, {})
        for other in [one for one in others if not one.attached]:
            del others[other]
        others[leaf] = queue.limit
        odd = next((other for other, limit in others.items() if limit != queue.limit), None)
        known = configured(tree.state).get(queue.name, queue.limit)
        if odd is not None:
            raise two_limits(queue, leaf, others[odd], f"at {show(odd.element.where)}")
        if known != queue.limit:
            raise two_limits(queue, leaf, known, "in [queues] of the project's configuration")


def two_limits(queue: Queue, leaf: Leaf, other: int, where: str) -> RenderError:
    return RenderError(
        f"Queue {queue.name!r} has two limits: {queue.limit} for Task({leaf.element.id!r}) at "
        f"{show(leaf.element.where)}, and {other} {where}. Give it the same one everywhere, or say it in one place: "
        f'Queue("{queue.name}") without a limit takes that of [queues] in smithers.toml.',
        code="QUEUE_LIMITS",
        node=leaf.element.id,
    )
