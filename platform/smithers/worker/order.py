"""What is asked of the process that is to carry a run on, by a command or by a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from smithers.engine.entry import Json


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do that carries a run on."""

    root: str
    """The project's folder."""
    file: str = ""
    """The workflow file; empty for the one that the run names."""
    run_id: str = ""
    input: Json = field(default_factory=dict[str, Any])
    options: Json = field(default_factory=dict[str, Any])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str = ""
    workflow: str = ""
    """The name of the workflow that the file must hold; empty for any."""
    resume: bool = False
    """Go on with a run that is there, instead of making one."""
    onward: bool = False
    """With `resume`: of a run that has continued as new, go on with the last one that goes on for it."""
    follow: bool = False
    """Let the run follow the code as it is now."""
    pinned: bool = False
    """Go on with the code that the run is pinned to, also where its file has changed."""
    by: str = ""
