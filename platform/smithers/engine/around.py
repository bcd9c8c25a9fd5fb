"""What stands around a node and may keep it from beginning, as its row says it while it is open.

Why a node waits is asked by people, who have the store and neither the workflow's code nor a worker. Facts say how far
things are; what they mean for a node follows from its place in the tree, which no fact holds. So the plan that writes a
node's row writes its place down with it: where it stands, on whom it depends, and the caps, budgets and time limits
around it. How these stand at a moment is for the reader to find out (`views/held.py`).

A row is written when the node's state changes, not when a part moves it: a place may be as old as that. Nothing is
planned by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smithers.engine.budgets import NOTHING, need_of, scopes
from smithers.engine.entry import Json
from smithers.engine.mounts import Group, GuardGroup, Leaf, Mount, place
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

    `path`: see `path_of`. `needs`: ids of nodes that it depends on. `aside`: others go past it. `caps`, `budgets`,
    `blocks`: innermost first, see below. `reserves`: tokens, billionths of a dollar.
    """
    if state not in OPEN_STATES:
        return None
    found: Json = {
        "needs": list(leaf.element.upstream()),
        "aside": bool(getattr(leaf.element, "async_", False)),
        "blocks": list(blocks(leaf)),
    }
    if isinstance(leaf.element, Task):
        need = need_of(leaf)
        found |= {"caps": list(caps(leaf)), "budgets": list(budgets(leaf))}
        found["reserves"] = list(need) if found["budgets"] and need != NOTHING else []
    return {"path": path_of(leaf)} | {name: value for name, value in found.items() if value}


def path_of(leaf: Leaf) -> str:
    """Steps from the root down, such as `.0|2.1`: third of those side by side in the first of the sequence at the
    root, there the second of a sequence."""
    steps: list[str] = []
    at: Mount = leaf
    while at.parent is not None:
        steps.append(f"{BESIDE if at.parent.parallel else ORDERED}{at.index}")
        at = at.parent
    return "".join(reversed(steps))


def caps(leaf: Leaf) -> Iterator[Json]:
    """`group`: its place, the same for all below it. That of the run itself is in the run's options."""
    for group in leaf.ancestors():
        if group.cap is not None and group.parent is not None:
            yield {"group": place(group), "id": group.id, "kind": group.kind, "most": group.cap}


def budgets(leaf: Leaf) -> Iterator[Json]:
    """Those that hold tasks back: `scope`, under which the log counts, and limits in tokens and billionths of a
    dollar."""
    for scope in scopes(leaf):
        tokens, cost = scope.aspects.token_budget, scope.aspects.cost_budget
        limits: Json = {}
        if tokens is not None and tokens.on_exceeded != "warn":
            limits["tokens"] = tokens.max
        if cost is not None and cost.on_exceeded != "warn":
            limits["nano_usd"] = nano_usd(cost.max_usd)
        if limits:
            yield {"scope": scope.key, "name": scope.aspects.name, **limits}


def blocks(leaf: Leaf) -> Iterator[Json]:
    """Races, and groups with a time limit."""
    for group in leaf.ancestors():
        if not isinstance(group, GuardGroup):
            continue
        match group.guard:
            case Race() as race:
                yield {"kind": "race", "key": group.key, "id": race.name, "lane": lane_of(leaf, group)}
            case Deadline() as limit:
                yield limit_around(leaf, group, limit)
            case _:
                pass


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
