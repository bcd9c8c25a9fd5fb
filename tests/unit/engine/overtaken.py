"""A run whose plans take their time: facts land behind what a plan covers, and before its frame.

Plans are made without a lock, so in every run anything may be stored meanwhile. The store takes the frame all the same,
unless the run was paused, a node was reset, a slot of a queue that the frame counts on is gone, or somebody has
answered what the plan has approved by itself; then whoever has planned plans anew. Which of two facts that exclude each
other is stored is for the needs of the facts, not for the frame: it may show a node as over that somebody has answered,
or start what a person has just cancelled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from smithers.engine.frame import Plan
from smithers.engine.plan import Outdated, Planner
from smithers.testing.memory_run import InMemoryRun


@dataclass(slots=True)
class OvertakenRun(InMemoryRun):
    holding: bool = False
    """Plans are kept back until `let_go`."""
    pending: Plan | None = None
    overtaken: Counter[str] = field(default_factory=Counter[str])
    """Kinds of the facts that have landed between a plan and its frame."""
    refused: int = 0
    """Frames that were not taken."""

    def plan(self) -> None:
        if self.pending is not None:
            self.admit()
        elif not self.is_over:
            InMemoryRun.plan(self)

    def takes_turns(self) -> bool:
        """A slot is given without asking how far plans are."""
        return self.planner.state.paused is None if self.pending is not None else InMemoryRun.takes_turns(self)

    def store(self, plan: Plan) -> None:
        if self.holding:
            self.pending = plan
            return
        try:
            InMemoryRun.store(self, plan)
        except Outdated:  # the frame is in the log; whoever has planned it has begun anew since
            self.planner = Planner.build(self.workflow, self.run_id, self.log)

    def let_go(self) -> None:
        """Stores the frame, or plans anew; then plans for what has come meanwhile."""
        plan, self.pending, self.holding = self.pending, None, False
        if plan is None:
            return
        between = [entry.kind for entry in self.log[plan.covers :]]
        self.overtaken.update(between)
        if self.takes(plan, between):
            self.store(plan)
        else:
            self.refused += 1
            self.planner = Planner.build(self.workflow, self.run_id, self.log)
        self.plan()

    def takes(self, plan: Plan, between: list[str]) -> bool:
        if "retried" in between or not self.keys.isdisjoint(plan.unless):
            return False
        return self.planner.state.paused is None and self.has_turns(plan)

    def has_turns(self, plan: Plan) -> bool:
        nodes = self.planner.state.nodes
        begun = [one for one in plan.commands if one.kind in ("run", "child") and "queue" in (one.payload or {})]
        return all(nodes[f"{one.node}:{one.iteration}"].turn for one in begun)
