"""Which facts an answer brings, given what was said to the same question before.

Every fact has a numbered key, so that two people who answer at once cannot both be the second of three, or both be the
last: the store takes one of two facts with the same key, and the other person's answer is looked at again. A decision
has no number; it needs that nothing stands under the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from smithers.engine.answer import NOTHING, Answer, decision, mode_of
from smithers.engine.entry import Fact, Json, Kind, NodeState, refused_key, vote_key
from smithers.engine.frame import NodeRow
from smithers.engine.said import Said, check_may_decide
from smithers.errors import AnswerRefused

WAITING: Final = "waiting-approval"
KEPT: Final = ("NOT_ALLOWED", "INVALID_ANSWER")
"""Refusals that people may want to see later; others are slips of the pen, and nothing is stored of them."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be stored."""

    facts: tuple[Fact, ...]
    """Together, or none."""
    refused: AnswerRefused | None = None
    """What to tell the person once they are stored."""
    votes: int = 1
    """Of so many people, this one included, who have approved."""
    needed: int = 1

    @property
    def is_final(self) -> bool:
        return any(fact.kind == "decided" for fact in self.facts)


def rule(row: NodeRow, answer: Answer, said: Said) -> Ruling:
    """Raises `AnswerRefused` where the answer is refused and nothing is to be stored of it."""
    request = row.detail or {}
    try:
        check_may_decide(row, answer, said)
        data = place(row) | decision(request, answer)
        check_new(answer, said.votes)
    except AnswerRefused as refused:
        if refused.data.get("code") not in KEPT:
            raise
        return refusal(row, answer, said.refusals, refused)
    needed = int(request.get("quorum") or 1)
    others = [vote for vote in said.votes if vote["by"] != answer.by]
    votes = len(others) + 1
    if answer.approved and votes < needed:
        return Ruling((act("voted", row, data, said),), votes=votes, needed=needed)
    if answer.approved and needed > 1:
        data = data | together([*others, data])
    needs = replace(still_asked(row), following=next_key(row, said))
    return Ruling((Fact("decided", row.decision_key, data, needs),), votes=votes, needed=needed)


def act(kind: Kind, row: NodeRow, data: Json, said: Said) -> Fact:
    """What somebody says or does before the question is decided."""
    return Fact(kind, next_key(row, said), data, still_asked(row))


def next_key(row: NodeRow, said: Said) -> str:
    return vote_key(row.decision_key, len(said.acts) + 1)


def withdraw(row: NodeRow, who: Answer, said: Said) -> Fact:
    """Takes back the vote of one of several who must approve. Raises `AnswerRefused` where there is none."""
    if who.by not in {vote["by"] for vote in said.votes}:
        raise AnswerRefused(f"{who.by} has not approved {row.node!r}: there is nothing to take back.", code="NOT_VOTED")
    return act("withdrawn", row, {**place(row), "by": who.by, "note": who.note}, said)


def delegate(row: NodeRow, who: Answer, to: str, said: Said) -> Fact:
    """Hands a question to somebody else, who may decide it from then on; who hands it on does not any more.

    Raises `AnswerRefused` where it is not this person's to hand on, or would change nothing, or would count a vote for
    two.
    """
    check_may_decide(row, who, said)
    if not to.strip():
        raise AnswerRefused("Say to whom: the name of a user.", code="INVALID_DELEGATE", to=to)
    if to == who.by:
        raise AnswerRefused(f"{to} has it already: hand it to somebody else.", code="INVALID_DELEGATE", to=to)
    request = row.detail or {}
    named = to in said.holders or (to in (request.get("allowed_users") or ()) and not request.get("allowed_scopes"))
    if named and not said.hands.get(to):
        raise AnswerRefused(f"{to} may decide this already.", code="INVALID_DELEGATE", to=to)
    for vote in said.votes:
        if vote["by"] == who.by:
            raise AnswerRefused(
                f"{who.by} has approved this: withdraw that first (smithers human withdraw).", code="ALREADY_VOTED"
            )
        if vote["by"] == to:
            raise AnswerRefused(f"{to} has approved this already: hand it to somebody else.", code="ALREADY_VOTED")
    return act("delegated", row, {**place(row), "by": who.by, "to": to, "note": who.note}, said)


def place(row: NodeRow) -> Json:
    return {"node": row.node, "iteration": row.iteration}


def still_asked(row: NodeRow) -> NodeState:
    """The node waits, and this question has no answer yet."""
    return NodeState(row.node, row.iteration, (WAITING,), unless=row.decision_key)


def check_new(answer: Answer, votes: Sequence[Json]) -> None:
    """Who has approved may say it in other words; that counts once."""
    earlier = [vote for vote in votes if vote["by"] == answer.by]
    if answer.approved and earlier and answer.note in (None, earlier[0].get("note")):
        raise AnswerRefused(f"{answer.by} has approved this already; somebody else must.", code="ALREADY_VOTED")


def together(votes: Sequence[Json]) -> Json:
    """Several approvals as one decision."""
    notes = [f"{vote['by']}: {vote['note']}" for vote in votes if vote.get("note")]
    return {
        "by": ", ".join(str(vote["by"]) for vote in votes),
        "note": "; ".join(notes) or None,
        "votes": [{"by": vote["by"], "note": vote.get("note")} for vote in votes],
    }


def refusal(row: NodeRow, answer: Answer, earlier: Sequence[Json], refused: AnswerRefused) -> Ruling:
    """Keeps what was refused. The last answer that a human task has patience for decides it."""
    request = row.detail or {}
    counts = refused.data["code"] == "INVALID_ANSWER"
    data: Json = {
        **place(row),
        "entry": {"kind": "decided", "key": row.decision_key, "data": told(answer)},
        "why": refused.message,
        "by": answer.by,
        **({"counts": True, "fields": refused.data.get("fields") or []} if counts else {}),
    }
    needs = still_asked(row)
    key = refused_key(row.decision_key, len(earlier) + 1)
    kept = Fact("rejected", key, data, needs)
    most = int(request.get("max_attempts") or 0)
    tries = int(request.get("refusals") or 0) + sum(1 for one in earlier if one.get("counts")) + 1
    if not counts or not most:
        return Ruling((kept,), refused)
    left = max(0, most - tries)
    data = {**refused.data, "attempts_left": left}
    if left:
        more = "One more answer" if left == 1 else f"{left} more answers"
        return Ruling((kept,), AnswerRefused(f"{refused.message} {more} may be given.", **data))
    over = over_with(row, answer, tries, refused.message)
    return Ruling((kept, over), AnswerRefused(f"{refused.message} It was the last: nobody is asked again.", **data))


def over_with(row: NodeRow, answer: Answer, tries: int, last: str) -> Fact:
    """The decision that a human task has got no answer."""
    data: Json = {**place(row), "approved": False, "by": answer.by, "note": last, "mode": mode_of(row.detail)}
    return Fact("decided", row.decision_key, data | {"exhausted": tries}, still_asked(row))


def told(answer: Answer) -> Json:
    """The answer as it was given, for those who look at what was refused."""
    given: dict[str, Any] = {"approved": answer.approved, "by": answer.by, "note": answer.note}
    more: dict[str, Any] = {"choice": answer.choice, "ranking": list(answer.ranking or ())}
    if answer.value is not NOTHING:
        more["value"] = answer.value
    return given | {name: value for name, value in more.items() if value}
