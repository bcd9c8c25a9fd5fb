"""Approving by itself what people have approved again and again (components-approval: autoApprove.after).

The history of other runs is not in this run's log, so no plan can look at it. Whoever stores the frame that asks looks
into the store, and where people have approved often enough in a row, the answer is appended as theirs would be.
"""

from __future__ import annotations

from collections.abc import Iterable

from smithers.engine.asks import AUTOMATIC
from smithers.engine.entry import Fact, Json
from smithers.engine.frame import NodeRow
from smithers.engine.ruling import WAITING, place, still_asked


def wanted(row: NodeRow) -> int:
    """After how many approvals in a row this question is not asked of people any more; 0 where it always is."""
    return int((row.detail or {}).get("auto_after") or 0) if row.state == WAITING else 0


def in_a_row(decisions: Iterable[Json]) -> int:
    """How often people have approved since the last denial. Data of `decided` entries, newest first."""
    count = 0
    for decision in decisions:
        if decision.get("auto"):
            continue
        if not decision["approved"]:
            break
        count += 1
    return count


def approval(row: NodeRow) -> Fact:
    """The answer that nobody has to give."""
    data: Json = {**place(row), "approved": True, "by": None, "note": AUTOMATIC["note"], "auto": True}
    if (row.detail or {}).get("unaudited"):
        data["unaudited"] = True
    return Fact("decided", row.decision_key, data, still_asked(row))
