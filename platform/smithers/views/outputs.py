"""What the tasks of a run have produced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from smithers.engine.answer import output_of as decision_output
from smithers.engine.entry import Json
from smithers.engine.fold import given
from smithers.engine.frame import PRODUCING, NodeRow
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.views.approvals import decision_of
from smithers.views.attempts import node_entries

MOST_OUTPUTS: Final = 1000
"""Of a run with more tasks only the last ones are printed; `output RUN NODE` prints any."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """By node id, that of the latest iteration."""

    by_node: Json
    """By node id, that of the latest iteration."""
    last: Any
    """That of the last task in the tree that has one; None where there is none."""
    omitted: int = 0

    def wire(self) -> Json:
        found: Json = {"output": self.last, "outputs": self.by_node}
        return found | ({"outputsOmitted": self.omitted} if self.omitted else {})


def outputs_of(store: Store, run_id: str, *, most: int = MOST_OUTPUTS) -> Outputs:
    rows = latest_finished(store.nodes(run_id))
    kept = rows[-most:]
    found = {row.node: output_of(store, run_id, row) for row in kept}
    last = next((found[row.node] for row in reversed(kept) if row.kind in ("task", "subflow")), None)
    return Outputs(found, last, len(rows) - len(kept))


def last_output(store: Store, run_id: str) -> Any:
    """Only that of the last task in the tree that has one."""
    tasks = [row for row in latest_finished(store.nodes(run_id)) if row.kind in PRODUCING]
    return output_of(store, run_id, tasks[-1]) if tasks else None


def latest_finished(rows: list[NodeRow]) -> list[NodeRow]:
    """One per id, in the order of the tree. Timers produce nothing that anybody reads."""
    latest: dict[str, NodeRow] = {}
    for row in sorted(rows, key=place):
        if row.state == "finished" and row.kind != "timer":
            latest[row.node] = row
    return sorted(latest.values(), key=lambda row: row.ordinal)


def place(row: NodeRow) -> tuple[list[int], int]:
    return [int(part) for part in row.iteration.split(".") if part], row.ordinal


def output_of(store: Store, run_id: str, row: NodeRow) -> Any:
    """None where the node has no output."""
    ends = [entry.data for entry in node_entries(store, run_id, "ended", row.node, row.iteration)]
    finished = [data.get("output") for data in ends if data["outcome"] == "finished"]
    if finished:
        return finished[-1]  # a task that was reset has several
    detail = row.detail or {}
    if "event" in detail:
        return given(store.entries(run_id, detail["signal"] - 1, 1)[0].data["payload"]) if "signal" in detail else {}
    decision = decision_of(store, run_id, row)
    said = (row.detail or {}).get("value")  # by a plan: an answer as its model has it, an automatic approval
    if said is None and decision is not None and decision.kind == "decided":
        said = decision_output(decision.data)
    return decision_wire(said) if said and row.kind == "approval" and "approved" in said else said


def decision_wire(said: Json) -> Json:
    return {"approved": said["approved"], "note": said.get("note"), "decidedBy": said.get("decided_by")}


def required_output(store: Store, run_id: str, row: NodeRow) -> Any:
    """Raises `WrongState` where the node has not finished."""
    if row.state != "finished":
        raise WrongState(
            f"Node {row.node!r} of run {run_id} has no output: it is {row.state}. "
            f"`smithers node {row.node} --run-id {run_id}` says more.",
            node=row.node,
            state=row.state,
        )
    return output_of(store, run_id, row)
