"""How long pieces of work take, learned while they run: it decides what goes into a burst."""

from __future__ import annotations

from typing import Final

from smithers.engine.command import Command

SHORT_MS: Final = 20.0
"""Work that takes less is done one after another by one step; a step of its own costs about as much."""
LONG_MS: Final = 1000.0
WEIGHT: Final = 0.3
MOST_KEPT: Final = 5000


class Pace:
    """A moving mean per function. It is only ever a guess, so races between threads do not matter."""

    def __init__(self) -> None:
        self._mean_ms: dict[str, float] = {}

    def note(self, command: Command, ms: float) -> None:
        name = name_of(command)
        if len(self._mean_ms) >= MOST_KEPT:
            self._mean_ms.clear()
        before = self._mean_ms.get(name)
        self._mean_ms[name] = ms if before is None else before + WEIGHT * (ms - before)

    def is_short(self, command: Command) -> bool:
        """Known to be short."""
        return self._mean_ms.get(name_of(command), SHORT_MS) < SHORT_MS

    def is_long(self, command: Command) -> bool:
        """Known to be long."""
        return self._mean_ms.get(name_of(command), 0.0) > LONG_MS


def name_of(command: Command) -> str:
    payload = command.payload or {}
    return str(payload.get("fn") or command.node)
