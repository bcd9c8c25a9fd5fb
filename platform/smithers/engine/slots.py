"""Who of the ready tasks starts: in the order of the tree, as far as the caps of all groups around it allow.

The rule is the greedy one: walk the ready leaves in tree order and start each whose groups all have room. To find the
same ones after a single completion without walking, a leaf that is held back is parked at the innermost full group
around it; when that group gets room, its first parked leaf is tried again (and may be parked further out or in).
Every ready leaf is thus started or parked at a full group, which is all that the greedy rule says.

What a task is going to use is reserved in the budgets around it by the same rule (`engine/budgets.py`). Which task fits
depends on what it needs, so those that are held back at a scope lie in one heap for each need.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from smithers.engine.budgets import Ledger, need_of
from smithers.engine.budgets import scopes as scopes_around
from smithers.engine.mounts import FINAL, AspectsGroup, Group, Leaf, Need
from smithers.engine.state import Path, State
from smithers.engine.tree import take_off

Origin = tuple[Group, Need | None]
"""Where a leaf was parked: for a slot, or for what it needs."""
Offer = tuple[Path, int, Leaf, Origin | None]


def start_ready(
    candidates: list[Leaf],
    freed: list[Group],
    scopes: list[AspectsGroup],
    state: State,
    admitted: Iterable[Leaf] = (),
) -> list[Leaf]:
    """Starts what may start, in tree order, and returns it. `freed` are groups in which a task has ended,
    `scopes` those with budgets. What was `admitted` has its slots, and reserves in the budgets."""
    offers: list[Offer] = [(leaf.order, leaf.born, leaf, None) for leaf in candidates]
    heapify(offers)
    for group in freed:
        refill(offers, group)
    ledger = Ledger(state) if scopes else None
    if ledger is not None:
        for leaf in admitted:
            ledger.take(leaf)
    for scope in scopes:
        for need in scope.unfunded:
            offer_unfunded(offers, scope, need, ledger)
    started: list[Leaf] = []
    while offers:
        _, _, leaf, origin = heappop(offers)
        if wants_slot(leaf):
            full = next((group for group in leaf.ancestors() if is_full(group)), None)
            if full is not None:
                heappush(full.parked, (leaf.order, leaf.born, leaf))
            elif ledger is None or not hold_back(leaf, ledger):
                leaf.ready = False
                take_off(leaf)
                started.append(leaf)
        if origin is not None:
            group, need = origin
            if need is None:
                refill(offers, group)
            else:
                assert isinstance(group, AspectsGroup)
                offer_unfunded(offers, group, need, ledger)
    return started


def hold_back(leaf: Leaf, ledger: Ledger) -> bool:
    """Holds a leaf at the innermost scope in which what it needs cannot be reserved now; if there is none, reserves."""
    need = need_of(leaf)
    scope = next((scope for scope in scopes_around(leaf) if not ledger.fits(scope, need)), None)
    if scope is None:
        ledger.take(leaf)
        return False
    heappush(scope.unfunded.setdefault(need, []), (leaf.order, leaf.born, leaf))
    return True


def offer_unfunded(offers: list[Offer], scope: AspectsGroup, need: Need, ledger: Ledger | None) -> None:
    waiting = scope.unfunded[need]
    if waiting and ledger is not None and ledger.fits(scope, need):
        order, ordinal, leaf = heappop(waiting)
        heappush(offers, (order, ordinal, leaf, (scope, need)))


def refill(offers: list[Offer], group: Group) -> None:
    if group.parked and not is_full(group):
        order, ordinal, leaf = heappop(group.parked)
        heappush(offers, (order, ordinal, leaf, (group, None)))


def is_full(group: Group) -> bool:
    return group.cap is not None and group.running >= group.cap


def wants_slot(leaf: Leaf) -> bool:
    return leaf.ready and leaf.attached and leaf.status not in FINAL and not leaf.is_halted
