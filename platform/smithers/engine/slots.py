"""Who of the ready tasks starts: in the order of the tree, as far as the caps of all groups around it allow.

The rule is the greedy one: walk the ready leaves in tree order and start each whose groups all have room. To find the
same ones after a single completion without walking, a leaf that is held back is parked at the innermost full group
around it; when that group gets room, its first parked leaf is tried again (and may be parked further out or in).
Every ready leaf is thus started or parked at a full group, which is all that the greedy rule says.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from smithers.engine.mounts import FINAL, Group, Leaf
from smithers.engine.state import Path
from smithers.engine.tree import take_off

Offer = tuple[Path, int, Leaf, Group | None]


def start_ready(candidates: list[Leaf], freed: list[Group]) -> list[Leaf]:
    """Starts what may start, in tree order, and returns it. `freed` are groups in which a task has ended."""
    offers: list[Offer] = [(leaf.order, leaf.born, leaf, None) for leaf in candidates]
    heapify(offers)
    for group in freed:
        refill(offers, group)
    started: list[Leaf] = []
    while offers:
        _, _, leaf, origin = heappop(offers)
        if wants_slot(leaf):
            full = next((group for group in leaf.ancestors() if is_full(group)), None)
            if full is None:
                leaf.ready = False
                take_off(leaf)
                started.append(leaf)
            else:
                heappush(full.parked, (leaf.order, leaf.born, leaf))
        if origin is not None:
            refill(offers, origin)
    return started


def refill(offers: list[Offer], group: Group) -> None:
    if group.parked and not is_full(group):
        order, ordinal, leaf = heappop(group.parked)
        heappush(offers, (order, ordinal, leaf, group))


def is_full(group: Group) -> bool:
    return group.cap is not None and group.running >= group.cap


def wants_slot(leaf: Leaf) -> bool:
    return leaf.ready and leaf.attached and leaf.status not in FINAL and not leaf.is_halted
