"""What the tasks below an `Aspects` may still use, and what becomes of those that get nothing any more.

What was used stands in `ended` entries; which scopes it counts for, and what was reserved, in the frame that has
started the task (`charges`). So totals are folded from the log alone, and count what has left the tree as well: earlier
passes of a loop, tasks that their part has dropped.

A reservation is like a slot (`engine/slots.py`): a ready task that does not fit beside those in flight is held at its
scope until there is room. It fits in any case where nothing of the scope is in flight, so that nobody waits for ever.

That a budget is spent is known as soon as facts are taken in; whose task fails or is skipped for it is decided when
nothing else moves any more, in the order of the tree (`Advance.defer`), and stands in the frame (`refused`). A task
that waits for a slot is looked at again when the budget of a scope around it is spent: a cold planner would not let it
begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from smithers.engine.entry import Json
from smithers.engine.mounts import ACTIVE, AspectsGroup, Leaf, Need
from smithers.engine.state import State
from smithers.flow.policy import duration, milliseconds
from smithers.flow.task import Task
from smithers.flow.usage import Usage, nano_usd, usd
from smithers.flow.where import show

if TYPE_CHECKING:
    from smithers.engine.advance import Advance

CODE: Final = "ASPECT_BUDGET_EXCEEDED"
NOTHING: Final[Need] = (0, 0)


@dataclass(frozen=True, slots=True)
class Account:
    """One budget of a scope, and how it stands."""

    scope: AspectsGroup
    kind: str
    """tokens or cost."""
    policy: str
    limit: int
    """Tokens, or billionths of a dollar."""
    spent: int

    @property
    def is_spent(self) -> bool:
        return self.spent >= self.limit

    @property
    def is_over(self) -> bool:
        return self.spent > self.limit

    @property
    def key(self) -> str:
        return f"{self.scope.key}#{self.kind}"

    def shown(self, amount: int) -> str:
        return f"{amount} tokens" if self.kind == "tokens" else f"${usd(amount):g}"

    def number(self, amount: int) -> float:
        return amount if self.kind == "tokens" else usd(amount)

    def about(self) -> Json:
        limit, current = self.number(self.limit), self.number(self.spent)
        name = self.scope.aspects.name
        return {"kind": self.kind, "limit": limit, "current": current, "aspects": name, "policy": self.policy}


def scopes(leaf: Leaf) -> Iterator[AspectsGroup]:
    """Innermost first."""
    return (group for group in leaf.ancestors() if isinstance(group, AspectsGroup))


def accounts(state: State, scope: AspectsGroup) -> Iterator[Account]:
    tokens, nano = state.spent.get(scope.key, NOTHING)
    token_budget, cost_budget = scope.aspects.token_budget, scope.aspects.cost_budget
    if token_budget is not None:
        yield Account(scope, "tokens", token_budget.on_exceeded, token_budget.max, tokens)
    if cost_budget is not None:
        yield Account(scope, "cost", cost_budget.on_exceeded, nano_usd(cost_budget.max_usd), nano)


def spent_around(state: State, leaf: Leaf) -> Account | None:
    """The innermost budget around a leaf that lets nothing begin any more."""
    for scope in scopes(leaf):
        for account in accounts(state, scope):
            if account.policy != "warn" and account.is_spent:
                return account
    return None


def look_at_budgets(advance: Advance) -> None:
    """Once the facts are taken in: says which budgets are exceeded, and looks again at whose turn had come."""
    state = advance.tree.state
    for scope in advance.tree.aspects.values():
        for account in accounts(state, scope):
            if account.is_over and account.key not in state.exceeded:
                state.exceeded[account.key] = advance.changes.exceeded[account.key] = account.about()
            if account.policy != "warn" and account.is_spent and not scope.spent:
                scope.spent = True
                recall_ready(advance, scope)


def recall_ready(advance: Advance, scope: AspectsGroup) -> None:
    for leaf in list(scope.leaves()):
        if leaf.ready and leaf.status == ACTIVE:
            leaf.ready = False
            advance.start(leaf)


def decide_budget(advance: Advance, leaf: Leaf) -> None:
    """Ends a task that a spent budget keeps from beginning."""
    if leaf.is_halted:
        advance.cancel(leaf)
        return
    account = spent_around(advance.tree.state, leaf)
    if account is None:
        advance.start(leaf)
    elif account.policy == "skip-remaining":
        advance.miss(leaf, "skipped")
    else:
        error = refusal(account, leaf)
        advance.tree.state.memory(leaf.key).error = leaf.error = error
        advance.changes.refused[leaf.key] = error
        advance.give_up(leaf)


def refusal(account: Account, leaf: Leaf) -> Json:
    scope, node = account.scope.aspects, leaf.element.id
    prop = "token_budget" if account.kind == "tokens" else "cost_budget"
    message = (
        f"Task {node!r} does not begin: of the {prop} of Aspects({scope.name!r}) at {show(scope.where)}, "
        f"{account.shown(account.spent)} are spent, and the limit is {account.shown(account.limit)}. Raise it, or "
        "resume the run: then it counts anew."
    )
    return {"code": CODE, "message": message, "retryable": False, "data": {**account.about(), "node": node}}


def shown_usage(leaf: Leaf, usage: Usage) -> Json:
    """What a task has used, without the metrics that a scope around it does not track."""
    tracked = [scope.aspects.tracking for scope in scopes(leaf)]
    wire = usage.wire()
    if not all(one.tokens for one in tracked):
        del wire["input_tokens"], wire["output_tokens"]
    if not all(one.cost for one in tracked):
        del wire["cost_usd"]
    return wire


# Reservations


def need_of(leaf: Leaf) -> Need:
    """What a task reserves: its author's estimate, or else the most that a scope around it gives one task."""
    if not isinstance(leaf.element, Task):
        return NOTHING
    estimate = leaf.element.estimate
    return estimate.tokens or per_task_tokens(leaf) or 0, nano_usd(estimate.cost_usd)


def per_task_tokens(leaf: Leaf, policy: str = "") -> int | None:
    budgets = (scope.aspects.token_budget for scope in scopes(leaf))
    wanted = [one.per_task for one in budgets if one is not None and policy in ("", one.on_exceeded)]
    return min((most for most in wanted if most is not None), default=None)


def per_task_ms(leaf: Leaf, policy: str) -> int | None:
    slos = (scope.aspects.task_latency for scope in scopes(leaf))
    spans = [one.per_task for one in slos if one is not None and one.on_exceeded == policy]
    return min((milliseconds(duration(span, "per_task")) for span in spans if span is not None), default=None)


def limits_of(leaf: Leaf) -> Json:
    """What a task's command says of the limits for one attempt: nothing where there are none."""
    if next(scopes(leaf), None) is None:
        return {}
    found: Json = {
        "tokens": per_task_tokens(leaf, "fail"),
        "warn_tokens": per_task_tokens(leaf, "warn"),
        "warn_ms": per_task_ms(leaf, "warn"),
    }
    found = {name: limit for name, limit in found.items() if limit is not None}
    return {"limits": found} if found else {}


def charge_of(leaf: Leaf) -> list[Any] | None:
    """What the frame says of a task that begins: the scopes its usage counts for, and what is reserved in them."""
    keys = [scope.key for scope in scopes(leaf)]
    return [keys, *need_of(leaf)] if keys else None


@dataclass(slots=True)
class Ledger:
    """What is reserved, by scope, while a plan gives out slots: how many tasks, tokens, billionths of a dollar."""

    state: State
    reserved: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, tuple[int, int, int]])

    def __post_init__(self) -> None:
        for key in self.state.by_command.values():
            charge = self.state.nodes[key].charge
            if charge is not None:
                self.add(charge[0], (charge[1], charge[2]))

    def add(self, keys: list[str], need: Need) -> None:
        for key in keys:
            count, tokens, nano = self.reserved.get(key, (0, 0, 0))
            self.reserved[key] = count + 1, tokens + need[0], nano + need[1]

    def take(self, leaf: Leaf) -> None:
        self.add([scope.key for scope in scopes(leaf)], need_of(leaf))

    def fits(self, scope: AspectsGroup, need: Need) -> bool:
        count, tokens, nano = self.reserved.get(scope.key, (0, 0, 0))
        if not count:
            return True
        for account in accounts(self.state, scope):
            mine, others = (need[0], tokens) if account.kind == "tokens" else (need[1], nano)
            if mine and account.policy != "warn" and account.spent + others + mine > account.limit:
                return False
        return True
