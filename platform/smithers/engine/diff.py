"""What other code or other input would change in a run: its log, planned so, next to what people see now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smithers.engine.entry import Entry, Json, node_key
from smithers.engine.fold import fold
from smithers.engine.plan import Planner
from smithers.engine.state import State
from smithers.flow.workflow import AnyWorkflow


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """Node keys, sorted. What has an output keeps it, in the tree or not."""

    added: tuple[str, ...]
    """In the other tree, and never seen in this run."""
    removed: tuple[str, ...]
    """Open in this run, and not in the other tree: pending ones vanish, running ones are cancelled."""
    starts: tuple[str, ...]
    """Would start at once."""
    status: str
    """The run's status after the first frame of the other tree."""
    error: Json | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.starts)


def plan_diff(workflow: AnyWorkflow, run_id: str, entries: Sequence[Entry], input: Json | None = None) -> PlanDiff:
    """Plans the next frame of a run with this code, and with this input if one is given, and stores nothing.

    A pause counts as ended: what it holds back is part of what will happen. Raises `RenderError` like the code would.
    """
    known = fold(State(run_id=run_id), entries)
    planner = Planner.build(workflow, run_id, [*entries, *markers(known, input)])
    mounted = planner.tree.leaves
    added = sorted(key for key in mounted if key not in known.nodes)
    removed = sorted(key for key in known.nodes if key not in mounted and known.is_at_stake(key))
    plan = planner.plan()
    if plan is None:
        return PlanDiff(tuple(added), tuple(removed), (), known.status)
    later = (key for key in planner.tree.leaves if key not in known.nodes and key not in added)
    starts = sorted(node_key(c.node, c.iteration) for c in plan.commands if c.kind in ("run", "child", "subflow"))
    return PlanDiff((*added, *sorted(later)), tuple(removed), tuple(starts), plan.status, plan.error)


def markers(state: State, input: Json | None) -> list[Entry]:
    """Facts that ask for a plan, and say nothing but the other input."""
    at, data = state.position, {"digest": state.digest}
    found = [Entry(at + 1, "follow", "follow:preview", data, state.last_ms)]
    if input is not None:
        found.append(Entry(at + 2, "amended", "amended:preview", {"input": input}, state.last_ms))
    if state.paused is not None:
        found.append(Entry(at + 3, "unpaused", "unpaused:preview", {}, state.last_ms))
    return found
