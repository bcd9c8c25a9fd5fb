"""What following other code, or other input, would change in a run, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smithers.engine.entry import split_node_key
from smithers.errors import RenderError
from smithers.views.nodes import named

if TYPE_CHECKING:
    from smithers.engine.diff import PlanDiff
    from smithers.engine.entry import Entry
    from smithers.flow.workflow import AnyWorkflow
    from smithers.store.records import Run

MOST = 20
"""Of one sort; the rest is counted."""


def told_difference(workflow: AnyWorkflow, run: Run, entries: list[Entry]) -> list[str]:
    """Plans the run with this workflow, without storing anything."""
    from smithers.engine.diff import plan_diff
    from smithers.engine.entry import Entry

    if run.status == "failed":  # going on opens what has failed, and that is part of what will happen
        last = entries[-1]
        entries = [*entries, Entry(last.seq + 1, "resumed", "resumed:preview", {}, last.at_ms)]
    try:
        diff = plan_diff(workflow, run.run_id, entries)
    except RenderError as error:
        return [f"The new code does not render for this run: {error.message}"]
    return told_plan(diff)


def told_plan(diff: PlanDiff) -> list[str]:
    added = [key for key in diff.added if key not in diff.starts]
    lines = [*listed("+", added, "new"), *listed("-", diff.removed, "gone"), *listed("→", diff.starts, "starts")]
    if diff.error is not None:
        lines.append(f"The run would fail: {diff.error.get('message')}")
    return lines or ["The tree of this run stays the same."]


def listed(symbol: str, keys: Iterable[str], what: str) -> list[str]:
    names = [named(*split_node_key(key)) for key in keys]
    lines = [f"{symbol} {name} ({what})" for name in names[:MOST]]
    return [*lines, f"{symbol} ... and {len(names) - MOST} more ({what})"] if len(names) > MOST else lines
