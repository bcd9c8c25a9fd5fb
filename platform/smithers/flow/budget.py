"""How much a part of the tree may use (components-aspects), and how much a task is going to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from smithers.flow.element import Written
from smithers.flow.policy import Duration, duration
from smithers.flow.where import invalid

OnExceeded = Literal["fail", "warn", "skip-remaining"]
OnSlow = Literal["fail", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBudget(metaclass=Written):
    """How many tokens, input and output together, all tasks of a scope may use."""

    max: int
    per_task: int | None = None
    """The most for one attempt of one task. With `fail`, the report that exceeds it raises in the body."""
    on_exceeded: OnExceeded = "fail"

    def __post_init__(self) -> None:
        for name, count in (("max", self.max), ("per_task", self.per_task)):
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise invalid(f"TokenBudget({name}={count!r}): a number of tokens is a whole number, 1 or more.")
        check_policy("TokenBudget", self.on_exceeded, get_args(OnExceeded))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBudget(metaclass=Written):
    """How much money all tasks of a scope may cost."""

    max_usd: float
    on_exceeded: OnExceeded = "fail"

    def __post_init__(self) -> None:
        number = isinstance(self.max_usd, int | float) and not isinstance(self.max_usd, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not number or not math.isfinite(self.max_usd) or self.max_usd <= 0:
            raise invalid(f"CostBudget(max_usd={self.max_usd!r}): a budget is a number of US dollars above 0.")
        check_policy("CostBudget", self.on_exceeded, get_args(OnExceeded))


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySlo(metaclass=Written):
    """How long a scope may take, from when it begins, by the clock."""

    max: Duration
    per_task: Duration | None = None
    """The most for one attempt of one task. With `fail`, it is a timeout of each."""
    on_exceeded: OnSlow = "fail"

    def __post_init__(self) -> None:
        for name, span in (("max", self.max), ("per_task", self.per_task)):
            if span is not None and not duration(span, f"LatencySlo: {name}"):
                raise invalid(f"LatencySlo({name}={span!r}) leaves no time at all.")
        check_policy("LatencySlo", self.on_exceeded, get_args(OnSlow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking(metaclass=Written):
    """Which metrics are shown of the tasks in a scope. Budgets hold all the same."""

    tokens: bool = True
    latency: bool = True
    """Without effect as yet: how long an attempt took stands in the log in any case."""
    cost: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(metaclass=Written):
    """What one attempt of a task will use at most, as far as its author knows. Reserved in budgets while it runs."""

    tokens: int = 0
    cost_usd: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.tokens, int) or self.tokens < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise invalid(f"Estimate(tokens={self.tokens!r}): a number of tokens is a whole number, 0 or more.")
        if not math.isfinite(self.cost_usd) or self.cost_usd < 0:
            raise invalid(f"Estimate(cost_usd={self.cost_usd!r}): a cost is a number of US dollars, 0 or more.")


def check_policy(what: str, policy: str, known: Iterable[str]) -> None:
    if policy not in known:
        raise invalid(f"{what}: on_exceeded={policy!r}: use one of {', '.join(known)}.")
