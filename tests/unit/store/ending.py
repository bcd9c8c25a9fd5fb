"""Brings a run to its end, as a plan does."""

from __future__ import annotations

from smithers.engine.entry import Fact
from smithers.store.interface import Store
from smithers.store.records import Append, PlanWrite


def end(store: Store, run_id: str, status: str) -> None:
    frame = Fact("frame", "frame:1", {})
    plan = PlanWrite(0, 1, 0, frame, (), (), (), status, None)
    assert store.append(Append(run_id, plan=plan)).planned
