"""How many deaths of its process a task is given, and what is said of one that had them all."""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import Json

MOST_DEATHS: Final = 3
"""How often a task may take its process with it before it fails (design: deaths are counted in the store)."""


def killed(deaths: int) -> Json:
    """Why a task failed that took its process with it too often."""
    return {
        "code": "KILLED_WORKER",
        "message": f"its process died {deaths} times while this task ran; it is not tried again",
    }
