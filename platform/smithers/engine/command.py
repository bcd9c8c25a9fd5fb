"""A command is one numbered thing that the driver carries out exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from smithers.engine.entry import Json

CommandKind = Literal["run", "child", "timer", "cancel", "complete", "fail", "subflow", "stop", "turn"]
STOPPING: frozenset[CommandKind] = frozenset({"cancel", "stop"})
ENDING: frozenset[CommandKind] = frozenset({"complete", "fail"})
ESCALATION: Final = -1
"""`target` of the timer after which others may decide."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a frame asks for. Temporal sees its number, kind, queue and times, never its payload."""

    n: int
    """From 1, without gaps, per run."""
    kind: CommandKind
    node: str = ""
    iteration: str = ""
    attempt: int = 0
    target: int = 0
    """For `cancel` and `stop`: the number of the command to cancel. `stop` is for one that a child run carries out. For
    the `timer` of a question: what it is for, see `engine/nudges.py`."""
    delay_ms: int = 0
    """For `timer`: fires this long after its frame is stored. For `run`, `child` and `subflow`: not before (the
    backoff)."""
    due_ms: int = 0
    """Absolute time of the same, milliseconds since the epoch; 0 is at once. The store stamps it from `delay_ms` in
    the transaction, so that no plan reads a clock; an author's absolute time is given here directly."""
    timeout_ms: int = 0
    """The author's deadline for one attempt; 0 is none."""
    burst: bool = False
    """Short compute work that the step which planned it may carry out itself."""
    payload: Json | None = None
    """For `turn`, which no driver sees: the queue, see `engine/turns.py`. For `run` and `child`: the body by value, see
    `engine/payload.py`. For `subflow`: the child run, see `engine/subflows.py`. For `complete`, `fail`: the outcome.
    For the timer of an escalation: to whom."""


def is_nudge(command: Command) -> bool:
    """Whether it is a reminder's timer or an escalation's, and not the one that ends a wait, nor a `Timer`."""
    return command.kind == "timer" and command.target != 0
