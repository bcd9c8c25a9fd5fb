"""Exit statuses (cli.global.exit0 to exit4) and how a run's status becomes one."""

from __future__ import annotations

from typing import Final

from smithers.engine.state import CONTINUED

FINISHED: Final = 0
FAILED: Final = 1
CANCELLED: Final = 2
WAITING: Final = 3
WRONG_USE: Final = 4
INTERRUPTED: Final = 130
TERMINATED: Final = 143


def exit_status(run_status: str) -> int:
    """A run that has not ended waits: for a person, a time, code, or a worker. One that has continued as new has done
    what it was to do."""
    known = {"finished": FINISHED, CONTINUED: FINISHED, "failed": FAILED, "cancelled": CANCELLED}
    return known.get(run_status, WAITING)
