"""When a server that died is started again, and when that is given up."""

from __future__ import annotations

GOOD_LIFE_S = 30.0
"""A server that lived this long was well: its death counts as the first."""

DELAYS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0)


class Restarts:
    def __init__(self) -> None:
        self.total = 0
        self._in_a_row = 0

    def after(self, lived_s: float) -> float | None:
        """Seconds to wait before the next start; None when it keeps dying."""
        if lived_s >= GOOD_LIFE_S:
            self._in_a_row = 0
        if self._in_a_row >= len(DELAYS_S):
            return None
        delay = DELAYS_S[self._in_a_row]
        self._in_a_row += 1
        self.total += 1
        return delay
