"""What waits for a person, and how the answer is stored. Needs the store only: no worker, no Temporal."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.cli.times import iso, now_ms, span
from smithers.cli.views.nodes import find_node, named, shown_iteration
from smithers.engine.entry import Entry, Fact, Json, NodeState, decided_key
from smithers.engine.frame import NodeRow
from smithers.errors import InputError, WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run

WAITING = "waiting-approval"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says about one approval."""

    approved: bool
    by: str
    note: str | None = None

    @property
    def verb(self) -> str:
        return "approved" if self.approved else "denied"


def title_of(row: NodeRow) -> str:
    return str((row.detail or {}).get("title") or row.label or row.node)


def approval_wire(row: NodeRow) -> Json:
    return {
        "nodeId": row.node,
        "iteration": shown_iteration(row.iteration),
        "title": title_of(row),
        "summary": (row.detail or {}).get("summary") or None,
    }


def pending(store: Store, run_id: str) -> list[NodeRow]:
    """Approvals that nobody has answered. A node keeps its state until somebody has planned for the answer."""
    waiting = [row for row in store.nodes(run_id) if row.state == WAITING]
    if not waiting:
        return []
    answered = {entry.key for entry in store.entries_by_key(run_id, "decided:")}
    return [row for row in waiting if row.decision_key not in answered]


def choose(store: Store, run: Run, node: str | None, iteration: str | None) -> NodeRow:
    """The approval that is meant. Raises `NodeNotFound`, `WrongState`, and `InputError` if several wait."""
    if node is not None:
        return find_node(store, run.run_id, node, iteration)
    waiting = pending(store, run.run_id)
    if not waiting:
        raise WrongState(nothing_waits(store, run), run=run.run_id, status=run.status)
    if len(waiting) > 1:
        lines = [f"  smithers approve {run.run_id} {row.node}   {title_of(row)}" for row in waiting]
        raise InputError(
            "\n".join([f"{len(waiting)} approvals wait in run {run.run_id}; say which one:", *lines]),
            code="APPROVAL_AMBIGUOUS",
            pending=[approval_wire(row) for row in waiting],
        )
    return waiting[0]


def nothing_waits(store: Store, run: Run) -> str:
    text = f"Nothing waits for an approval in run {run.run_id}: it is {run.status}."
    decisions = store.entries_by_key(run.run_id, "decided:")
    return f"{text} {told_decision(decisions[-1])}" if decisions else text


def told_decision(entry: Entry) -> str:
    data = entry.data
    verb = "approved" if data["approved"] else "denied"
    note = f' with the note "{data["note"]}"' if data.get("note") else ""
    what = named(data["node"], data["iteration"])
    return f"{what!r} was {verb} by {data.get('by') or 'somebody'} at {iso(entry.at_ms)}{note}."


def decide(store: Store, run: Run, row: NodeRow, answer: Answer) -> Entry:
    """Stores the decision. Raises `WrongState` if it was decided before or is not asked for now."""
    data = {
        "node": row.node,
        "iteration": row.iteration,
        "approved": answer.approved,
        "by": answer.by,
        "note": answer.note,
    }
    fact = Fact("decided", row.decision_key, data, NodeState(row.node, row.iteration, (WAITING,)))
    done = store.append(Append(run.run_id, (fact,)))
    if done.outcomes == ("stored",):
        return done.entries[0]
    raise undecided(store, run, row)


def decision_of(store: Store, run_id: str, row: NodeRow) -> Entry | None:
    """The last one; there are several where a run was resumed after a denial."""
    found = store.entries_by_key(run_id, decided_key(row.node, row.iteration))
    mine = [entry for entry in found if (entry.data["node"], entry.data["iteration"]) == (row.node, row.iteration)]
    return mine[-1] if mine else None


def undecided(store: Store, run: Run, row: NodeRow) -> WrongState:
    earlier = decision_of(store, run.run_id, row)
    if earlier is not None:
        age = span(now_ms() - earlier.at_ms)
        return WrongState(
            f"{told_decision(earlier)} That was {age} ago; an approval is used once.",
            code="ALREADY_DECIDED",
            approved=earlier.data["approved"],
            by=earlier.data.get("by"),
            at=iso(earlier.at_ms),
        )
    row = find_node(store, run.run_id, row.node, row.iteration)
    return WrongState(
        f"{named(row.node, row.iteration)!r} of run {run.run_id} waits for no approval: it is a {row.kind} and is "
        f"{row.state}, and the run is {store.run(run.run_id).status}.",
        node=row.node,
        state=row.state,
    )
