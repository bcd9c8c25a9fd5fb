"""Waking a run after something was written into its log."""

from __future__ import annotations

from smithers.errors import ServerError
from smithers.project import Project
from smithers.worker.listening import has_bells


def wake(project: Project, run_id: str) -> bool:
    """Whether a worker was told. Without one nothing is lost: a worker looks at every open run when it starts.

    A local server is neither started nor asked here; one elsewhere (`TEMPORAL_ADDRESS`) is.
    """
    if not has_bells(project) and not project.temporal_address:
        return False
    from smithers.temporal import bell

    if bell.ring_through_worker(project, run_id):
        return True
    try:
        if project.temporal_address:
            bell.ring_ourselves(project, run_id)
    except (ServerError, OSError):
        return False
    return bool(project.temporal_address)


def carried_on(project: Project, run_id: str, *, woken: bool) -> str:
    """What will carry the run on, as one sentence."""
    if woken and project.temporal_address:
        return f"The run was rung through the Temporal server at {project.temporal_address}."
    if woken:
        return "A worker of this project is running and goes on with it."
    return (
        f"No worker is running here: `smithers up --resume {run_id}` goes on with it, "
        "and so does `smithers start` in this project."
    )
