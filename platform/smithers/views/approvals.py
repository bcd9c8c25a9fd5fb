"""What waits for a person, and how the answer is stored. Needs the store only: no worker, no Temporal."""

from __future__ import annotations

from typing import Final

from smithers.engine.answer import Answer
from smithers.engine.entry import Entry, decided_key, node_key
from smithers.engine.fold import reset_keys
from smithers.engine.frame import NodeRow
from smithers.engine.ruling import WAITING
from smithers.engine.state import CONTINUED
from smithers.engine.state import FINAL as ENDED
from smithers.errors import InputError, WrongState
from smithers.store import deciding
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.asking import approval_wire, how_to_answer, title_of
from smithers.views.ended import how_it_ended
from smithers.views.nodes import article, find_node, how_to_look, named
from smithers.views.signals import send_command
from smithers.views.times import iso, now_ms, span

FINAL: Final = ("decided", "fired")
"""Kinds of entries that answer a question; a vote does not."""


def pending(store: Store, run_id: str) -> list[NodeRow]:
    """Approvals that nobody has answered. A node keeps its state until somebody has planned for the answer."""
    waiting = [row for row in store.asked(run_id) if row.state == WAITING]
    if not waiting:
        return []
    answered = {entry.key for entry in store.entries_by_key(run_id, "decided:")}
    return [row for row in waiting if row.decision_key not in answered]


def choose(store: Store, run: Run, node: str | None, iteration: str | None) -> NodeRow:
    """The approval that is meant. Raises `NodeNotFound`, `WrongState`, and `InputError` if several wait."""
    if node is not None and run.status != CONTINUED:
        return find_node(store, run.run_id, node, iteration)
    waiting = pending(store, run.run_id)
    if not waiting:
        below = [f"\n  {line}" for child in store.children(run.run_id) for line in waiting_below(store, child)]
        told = f"{nothing_waits(store, run)} Runs that it has started wait:{''.join(below)}" if below else ""
        raise WrongState(told or nothing_waits(store, run), run=run.run_id, status=run.status)
    if len(waiting) > 1:
        lines = [f"  {how_to_answer(run.run_id, row)}   {title_of(row)}" for row in waiting]
        raise InputError(
            "\n".join([f"{len(waiting)} approvals wait in run {run.run_id}; say which one:", *lines]),
            code="APPROVAL_AMBIGUOUS",
            pending=[approval_wire(row) for row in waiting],
        )
    return waiting[0]


def waiting_below(store: Store, run: Run) -> list[str]:
    """How to answer what a child run and those below it ask."""
    lines = [how_to_answer(run.run_id, row) for row in pending(store, run.run_id)]
    return lines + [line for child in store.children(run.run_id) for line in waiting_below(store, child)]


def nothing_waits(store: Store, run: Run) -> str:
    decisions = [entry for entry in store.entries_by_key(run.run_id, "decided:") if entry.kind in FINAL]
    text = f"Nothing waits for an approval in run {run.run_id}"
    stands = bool(decisions) and not is_reset(store, run.run_id, decisions[-1])
    decided = f" {told_decision(decisions[-1])}" if stands else ""
    if run.status in ENDED:
        return f"{text}: {how_it_ended(store, run, 'human inbox --run-id RUN')}.{decided}"
    if run.status == WAITING and not stands:
        return f"{text}: what it asked was reset, and no worker has asked anew yet."
    if run.status == WAITING:  # as long as nobody has planned for the answer
        return f"{text} any more.{decided}"
    return f"{text}: it is {run.status}. `smithers why {run.run_id}` says what it waits for.{decided}"


def told_decision(entry: Entry) -> str:
    data = entry.data
    what = named(data["node"], data["iteration"])
    if entry.kind == "fired":
        return f"Nobody had answered {what!r} when its time was over, at {iso(entry.at_ms)}."
    if data.get("auto"):
        return f"{what!r} was approved automatically, as people have approved it so often, at {iso(entry.at_ms)}."
    verb, note = verb_of(entry), f' with the note "{data["note"]}"' if data.get("note") else ""
    return f"{what!r} was {verb} by {data.get('by') or 'somebody'} at {iso(entry.at_ms)}{note}."


def verb_of(entry: Entry) -> str:
    """What somebody did, as a participle."""
    data = entry.data
    if data.get("mode") == "human":
        return "answered" if data["approved"] else "given up" if data.get("exhausted") else "cancelled"
    if not data["approved"]:
        return "denied"
    if "selected" in data:
        return f"decided for {data['selected']!r}"
    return f"ranked {', '.join(data['ranked'])}" if "ranked" in data else "approved"


def decide(store: Store, run: Run, row: NodeRow, answer: Answer) -> deciding.Decided:
    """Stores the decision. Raises `WrongState` if it was decided before or is not asked now, and `AnswerRefused`."""
    decided = deciding.decide(store, run.run_id, row, answer)
    if decided is None:
        raise undecided(store, run, row)
    return decided


def delegate(store: Store, run: Run, row: NodeRow, who: Answer, to: str) -> Entry:
    """Hands the question on. Raises as `decide` does."""
    return in_time(store, run, row, deciding.delegate(store, run.run_id, row, who, to))


def withdraw(store: Store, run: Run, row: NodeRow, who: Answer) -> Entry:
    """Takes one of several approvals back. Raises as `decide` does."""
    return in_time(store, run, row, deciding.withdraw(store, run.run_id, row, who))


def in_time(store: Store, run: Run, row: NodeRow, entry: Entry | None) -> Entry:
    if entry is None:
        raise undecided(store, run, row)
    return entry


def decision_of(store: Store, run_id: str, row: NodeRow) -> Entry | None:
    """The last one; there are several where a run was resumed after a denial. A timeout is one, too."""
    found = store.entries_by_key(run_id, decided_key(row.node, row.iteration))
    mine = [entry for entry in found if (entry.data["node"], entry.data["iteration"]) == (row.node, row.iteration)]
    return next((entry for entry in reversed(mine) if entry.kind in FINAL), None)


def is_reset(store: Store, run_id: str, decision: Entry) -> bool:
    """Whether the node was reset after this decision: it will be asked again, or not at all."""
    key = node_key(decision.data["node"], decision.data["iteration"])
    later = (one for one in store.entries_by_key(run_id, "retried:") if one.seq > decision.seq)
    return any(key in reset_keys(one.data) for one in later)


def undecided(store: Store, run: Run, row: NodeRow) -> WrongState:
    earlier = decision_of(store, run.run_id, row)
    if earlier is not None and not is_reset(store, run.run_id, earlier):
        age = span(now_ms() - earlier.at_ms)
        return WrongState(
            f"{told_decision(earlier)} That was {age} ago; an approval is used once.",
            code="ALREADY_DECIDED",
            approved=earlier.data.get("approved", False),
            by=earlier.data.get("by"),
            at=iso(earlier.at_ms),
        )
    row = find_node(store, run.run_id, row.node, row.iteration)
    text = (
        f"{named(row.node, row.iteration)!r} of run {run.run_id} waits for no answer: it is {article(row.kind)} and is "
        f"{row.state}, and the run is {store.run(run.run_id).status}."
    )
    sends = f" An event is sent with `{send_command(run.run_id, row.detail)}`." if row.state == "waiting-event" else ""
    more = sends or f" `{how_to_look(run.run_id, row)}` says more."
    return WrongState(text + more, node=row.node, state=row.state)
