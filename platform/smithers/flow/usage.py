"""What a task has used: tokens and money, as its body reports them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from smithers.errors import BudgetExceeded, InputError

NANO: Final = 1_000_000_000
"""Money is added up in billionths of a dollar: whole numbers give the same sum in any order."""


def nano_usd(dollars: float) -> int:
    return round(dollars * NANO)


def usd(nano: int) -> float:
    return nano / NANO


@dataclass(frozen=True, slots=True)
class Usage:
    """A sum of reports."""

    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.nano_usd + other.nano_usd,
        )

    def wire(self) -> dict[str, Any]:
        """As the log keeps it."""
        return {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, "cost_usd": usd(self.nano_usd)}

    @classmethod
    def read(cls, wire: dict[str, Any]) -> Usage:
        return cls(wire.get("input_tokens", 0), wire.get("output_tokens", 0), nano_usd(wire.get("cost_usd", 0)))


SHOWN: Final = {"input_tokens": "inputTokens", "output_tokens": "outputTokens", "cost_usd": "costUsd"}


def for_programs(wire: dict[str, Any]) -> dict[str, Any]:
    """What the log says, in the words of programs."""
    return {SHOWN[name]: value for name, value in wire.items() if name in SHOWN}


class Meter:
    """Adds up what one attempt uses. Safe to use from any thread."""

    __slots__ = ("_limit_tokens", "_lock", "_node", "_tell", "_total")

    def __init__(
        self, node: str = "", limit_tokens: int | None = None, tell: Callable[[Usage], object] = lambda _: None
    ) -> None:
        """`tell` is called with each new total."""
        self._lock = threading.Lock()
        self._total = Usage()
        self._node = node
        self._limit_tokens = limit_tokens
        self._tell = tell

    @property
    def total(self) -> Usage:
        return self._total

    @property
    def limit_tokens(self) -> int | None:
        return self._limit_tokens

    def read(self, total: Usage) -> None:
        """Takes over what another process has added up for the same attempt."""
        with self._lock:
            self._total = total

    def add(self, usage: Usage) -> None:
        """Raises `BudgetExceeded` once the attempt has used more than one task may; what it has used counts."""
        with self._lock:
            self._total = total = self._total + usage
            self._tell(total)
        if self._limit_tokens is not None and total.tokens > self._limit_tokens:
            raise BudgetExceeded(
                f"Task {self._node!r} has used {total.tokens} tokens; its Aspects give one task at most "
                f"{self._limit_tokens} (per_task). It is not tried again: give it less to do, or raise the limit.",
                kind="tokens",
                limit=self._limit_tokens,
                current=total.tokens,
                node=self._node,
            )


def reported(input_tokens: int, output_tokens: int, cost_usd: float) -> Usage:
    """Raises `InputError` for what cannot have been used."""
    for name, count in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"usage({name}={count!r}): a number of tokens is a whole number, 0 or more.")
    if isinstance(cost_usd, bool) or not math.isfinite(cost_usd) or cost_usd < 0:
        raise InputError(f"usage(cost_usd={cost_usd!r}): a cost is a number of US dollars, 0 or more.")
    return Usage(input_tokens, output_tokens, nano_usd(cost_usd))
