"""How a worker works. Read once, at its start."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.project import Project
from smithers.temporal.workshop import StepSettings


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
    light_slots: int = 16
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
    def of(cls, project: Project) -> WorkerSettings:
        """From the project's configuration. Raises `InputError` for one that cannot be used."""
        from smithers.worker.configuration import configured

        return cls(**configured(project).values.worker.model_dump())
