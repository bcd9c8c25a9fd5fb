"""What a command tells the supervisor it starts, and the settings that are read for it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from smithers.temporal.server import ports


@dataclass(frozen=True, slots=True)
class Orders:
    """Handed over as one JSON argument."""

    root: str
    folder: str
    binary: str
    lock: int
    listener: int
    linger_s: float
    first_port: int
    last_port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """The first command's settings hold for the supervisor's life."""

    linger_s: float = 60.0
    """`SMITHERS_SERVER_LINGER`: how long the server stays when nobody holds it."""
    ports: range = ports.DEFAULT
    """`SMITHERS_SERVER_PORTS`: where it may listen, `first-last`."""

    @classmethod
    def read(cls, source: Mapping[str, str] = os.environ) -> Settings:
        """Raises ValueError with the variable's name."""
        linger = source.get("SMITHERS_SERVER_LINGER") or "60"
        try:
            linger_s = float(linger)
        except ValueError:
            linger_s = -1.0
        if not (math.isfinite(linger_s) and linger_s >= 0):
            raise ValueError(f"SMITHERS_SERVER_LINGER is {linger!r}; it is a number of seconds, 0 or more")
        try:
            allowed = ports.parse(source.get("SMITHERS_SERVER_PORTS") or "17233-17332")
        except ValueError as error:
            raise ValueError(f"SMITHERS_SERVER_PORTS: {error}") from None
        return cls(linger_s, allowed)
