"""Budgets of tokens, money and time for a part of the tree, without a change to the tasks in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from smithers.flow.budget import CostBudget, LatencySlo, TokenBudget, Tracking
from smithers.flow.deadline import Deadline
from smithers.flow.element import Bracketed, Child, Element, check_id
from smithers.flow.guard import first_id
from smithers.flow.where import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspects(Element, metaclass=Bracketed):
    """Budgets for everything below it (components-aspects): `Aspects(token_budget=TokenBudget(max=50_000))[...]`.

    Its children run one after another. Bodies report what they use with `TaskContext.usage`; attempts that fail count,
    too. While a task runs, its `estimate` is reserved, or else the budget's `per_task`; a task that does not fit beside
    what others have reserved waits for them. One that runs alone is not kept from going over.

    Once tokens or money are spent, nothing that is done or running is stopped. What has not begun fails with the code
    `ASPECT_BUDGET_EXCEEDED` and is not retried (`fail`); is skipped (`skip-remaining`); or goes on, and an event says
    so (`warn`). When the time is over, what runs is cancelled and the scope fails with that code, or goes on (`warn`).
    Budgets nest, and all that are around a task hold. Totals are those of one run; a resume counts anew.
    """

    id: str = ""
    """Only needed where the first child is a function."""
    token_budget: TokenBudget | None = None
    latency_slo: LatencySlo | None = None
    cost_budget: CostBudget | None = None
    tracking: Tracking = Tracking()
    task_latency: LatencySlo | None = None
    """Not for authors: what is left of `latency_slo` for each task, once a timer looks after the whole."""

    def __post_init__(self) -> None:
        if self.id:
            check_id(self.id, "Aspects")
        kinds: tuple[tuple[str, type], ...] = (
            ("token_budget", TokenBudget),
            ("latency_slo", LatencySlo),
            ("cost_budget", CostBudget),
            ("tracking", Tracking),
        )
        for name, kind in kinds:
            value: Any = getattr(self, name)
            if not isinstance(value, kind) and (value is not None or name == "tracking"):
                raise invalid(f"Aspects({name}={value!r:.60}): write {name}={kind.__name__}(...).")

    def __getitem__(self, children: Child) -> Aspects:
        written = super(Aspects, self).__getitem__(children)
        written.name  # noqa: B018  refuses a scope that cannot be named
        return written

    @property
    def name(self) -> str:
        """Under which the log keeps what is spent: the id, or one made of the id of the first node below."""
        if self.id:
            return self.id
        first = self.children[0] if self.children else None
        named = first.name if isinstance(first, Aspects) else first_id(self.children)
        if not named and self.children:
            raise invalid(
                'Aspects begins with a function, so it needs an id of its own: Aspects(id="...").', self.where
            )
        return f"{named}:aspects"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimit(Deadline):
    """A scope with a time budget, as the engine sees it. Not for authors."""

    @classmethod
    def of(cls, scope: Aspects) -> LatencyLimit:
        slo = scope.latency_slo
        assert slo is not None
        inner = replace(scope, latency_slo=None, task_latency=slo)
        return cls(
            id=f"{scope.name}:latency",
            group=scope,
            span=slo.max,
            on_late=slo.on_exceeded,
            children=(inner,),
            where=scope.where,
        )

    @property
    def first(self) -> str:
        return self.name.removesuffix(":latency")

    @property
    def late(self) -> dict[str, Any]:
        message = f"Aspects({self.first!r}): its tasks have taken longer than latency_slo gives them, {self.span}"
        about = {"kind": "latency", "limit": f"{self.span}", "aspects": self.first}
        return {"code": "ASPECT_BUDGET_EXCEEDED", "message": message, "retryable": False, "data": about}
