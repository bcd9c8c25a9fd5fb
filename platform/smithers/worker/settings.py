"""How a worker works. Read once, at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from smithers.errors import InputError
from smithers.temporal.workshop import StepSettings

NAMES: Final = {
    "SMITHERS_BURST_S": "burst_s",
    "SMITHERS_RENDER_S": "render_s",
    "SMITHERS_GRACE_S": "grace_s",
    "SMITHERS_SLOTS": "slots",
    "SMITHERS_CACHED_RUNS": "cached_runs",
    "SMITHERS_HOSTED_CODES": "hosted_codes",
}
INTEGERS: Final = ("slots", "cached_runs", "hosted_codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    burst_s: float = 1.0
    """How long a step goes on with short work that it planned itself; 0 gives every task a step of its own."""
    render_s: float = 10.0
    """Deadline for rendering."""
    grace_s: float = 5.0
    """How long a body may take no notice of being cancelled."""
    slots: int = 100
    """Tasks that run at the same time."""
    light_slots: int = 8
    """Steps without a task that run at the same time: approvals never wait behind tasks."""
    cached_runs: int = 1000
    """Drivers kept in memory, 70 KB each."""
    hosted_codes: int = 4
    """Old codes that have a process of their own at the same time, for runs that are pinned to them."""
    drain_s: float = 10.0

    @property
    def steps(self) -> StepSettings:
        return StepSettings(self.burst_s, self.render_s, self.grace_s)

    @classmethod
    def read(cls, source: Mapping[str, str] = os.environ) -> WorkerSettings:
        """From `SMITHERS_*` variables. Raises `InputError` for one that is not a number."""
        found: dict[str, float] = {}
        for variable, name in NAMES.items():
            if text := source.get(variable):
                try:
                    found[name] = int(text) if name in INTEGERS else float(text)
                except ValueError:
                    raise InputError(f"{variable}={text!r} is not a number.") from None
        return cls(**found)  # type: ignore[arg-type]
