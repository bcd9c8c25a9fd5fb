"""A run in memory that a test moves on itself."""

from __future__ import annotations

from typing import Any

from smithers import Workflow
from smithers.testing import InMemoryRun


def start(tree: Any, rebuild: bool = False) -> InMemoryRun:
    """`tree` is an element, or the workflow's function. With `rebuild` the planner is built anew after every event."""
    function = tree if callable(tree) else lambda ctx: tree
    return InMemoryRun(Workflow("by-hand", function, None), rebuild=rebuild)


def at_work(run: InMemoryRun) -> list[str]:
    """The nodes that something is in flight for, in the order of their commands."""
    return [command.node for command in run.work]


def number(run: InMemoryRun, node: str) -> int:
    """Of the command that works on the node."""
    return next(command.n for command in run.work if command.node == node)


def fail(run: InMemoryRun, node: str) -> None:
    """For good: it is not tried again."""
    run.fail(number(run, node), "it broke", retryable=False)
