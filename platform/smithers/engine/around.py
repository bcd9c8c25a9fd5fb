"""What stands around a node and may keep it from beginning, as its row says it while it is open.

Why a node waits is asked by people, who have the store and neither the workflow's code nor a worker. Facts say how far
things are; what they mean for a node follows from its place in the tree, which no fact holds. So the plan that writes a
node's row writes its place down with it: where it stands, on whom it depends, and the caps, budgets and time limits
around it. How these stand at a moment is for the reader to find out (`views/held.py`).

A row is written when the node's state changes, not when a part moves it: a place may be as old as that. Nothing is
planned by it.
"""

from __future__ import annotations

from typing import Final

from smithers.engine.budgets import NOTHING, need_of
from smithers.engine.entry import Json
from smithers.engine.mounts import AspectsGroup, Group, GuardGroup, Leaf, Mount, place
from smithers.engine.state import OPEN_STATES
from smithers.flow.aspects import LatencyLimit
from smithers.flow.deadline import Deadline, Race
from smithers.flow.task import Task
from smithers.flow.usage import nano_usd

ORDERED: Final = "."
"""Before the index of a child of a sequence."""
BESIDE: Final = "|"
"""Before the index of a child that stands beside others."""


def around(leaf: Leaf, state: str) -> Json | None:
    """None for a node that is over. Keys that would be empty are left out.

    `path`: steps from the root down, such as `.0|2.1`: third of those side by side in the first of the sequence at the
    root, there the second of a sequence. `needs`: ids of nodes that it depends on. `aside`: others go past it. `caps`,
    `budgets`, `blocks`: innermost first, see below. `reserves`: tokens, billionths of a dollar.
    """
    if state not in OPEN_STATES:
        return None
    element, found = leaf.element, place_of(leaf)
    if needs := element.upstream():
        found["needs"] = list(needs)
    if getattr(element, "async_", False):
        found["aside"] = True
    if "budgets" in found and (need := need_of(leaf)) != NOTHING:
        found["reserves"] = list(need)
    return found


def place_of(leaf: Leaf) -> Json:
    """One walk to the root, for it is done for every node that is told."""
    is_task = isinstance(leaf.element, Task)
    steps: list[str] = []
    found: dict[str, list[Json]] = {}
    at: Mount = leaf
    while (group := at.parent) is not None:
        steps.append(f"{BESIDE if group.parallel else ORDERED}{at.index}")
        at = group
        if isinstance(group, GuardGroup):
            note(found, "blocks", block(leaf, group))
        elif is_task and isinstance(group, AspectsGroup):
            note(found, "budgets", budget(group))
        elif is_task and group.cap is not None and group.parent is not None:
            note(found, "caps", cap(group, group.cap))
    steps.reverse()
    return {"path": "".join(steps), **found}


def note(found: dict[str, list[Json]], name: str, one: Json | None) -> None:
    if one is not None:
        found.setdefault(name, []).append(one)


def cap(group: Group, most: int) -> Json:
    """`group`: its place, the same for all below it. That of the run itself is in the run's options."""
    return {"group": place(group), "id": group.id, "kind": group.kind, "most": most}


def budget(scope: AspectsGroup) -> Json | None:
    """One that holds tasks back: `scope`, under which the log counts, and limits in tokens and billionths of a
    dollar."""
    tokens, cost = scope.aspects.token_budget, scope.aspects.cost_budget
    limits: Json = {}
    if tokens is not None and tokens.on_exceeded != "warn":
        limits["tokens"] = tokens.max
    if cost is not None and cost.on_exceeded != "warn":
        limits["nano_usd"] = nano_usd(cost.max_usd)
    return {"scope": scope.key, "name": scope.aspects.name, **limits} if limits else None


def block(leaf: Leaf, group: GuardGroup) -> Json | None:
    """A race, or a group with a time limit."""
    match group.guard:
        case Race() as race:
            return {"kind": "race", "key": group.key, "id": race.name, "lane": lane_of(leaf, group)}
        case Deadline() as limit:
            return limit_around(leaf, group, limit)
        case _:
            return None


def limit_around(leaf: Leaf, group: GuardGroup, limit: Deadline) -> Json:
    """`own`: the node is the timer of the limit itself."""
    kind = "latency" if isinstance(limit, LatencyLimit) else "timeout"
    found: Json = {"kind": kind, "key": group.key, "id": limit.first, "what": limit.kind, "then": limit.on_late}
    stage = group.children[0]
    is_own = isinstance(stage, Group) and stage.children[-1] is leaf
    return found | ({"own": True} if is_own else {})


def lane_of(leaf: Leaf, race: GuardGroup) -> int:
    """Which of the race's children it is in."""
    at: Mount = leaf
    while at.parent is not None and at.parent.parent is not race:
        at = at.parent
    return at.index
