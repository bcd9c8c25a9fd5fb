"""Which facts an answer brings, given what was said to the same question before.

Every fact has a numbered key, so that two people who answer at once cannot both be the second of three, or both be the
last: the store takes one of two facts with the same key, and the other person's answer is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from smithers.engine.answer import NOTHING, Answer, check_person, decision, mode_of
from smithers.engine.entry import Fact, Json, NodeState, refused_key, vote_key
from smithers.engine.frame import NodeRow
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


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to the question that a row asks now."""

    votes: tuple[Json, ...] = ()
    """Data of `voted` entries."""
    refusals: tuple[Json, ...] = ()
    """Data of `rejected` entries."""


def rule(row: NodeRow, answer: Answer, said: Said) -> Ruling:
    """Raises `AnswerRefused` where the answer is refused and nothing is to be stored of it."""
    request = row.detail or {}
    try:
        check_person(request, answer)
        data = place(row) | decision(request, answer)
        check_new(answer, said.votes)
    except AnswerRefused as refused:
        if refused.data.get("code") not in KEPT:
            raise
        return refusal(row, answer, said.refusals, refused)
    needed = int(request.get("quorum") or 1)
    votes = len(said.votes) + 1
    if answer.approved and votes < needed:
        key = vote_key(row.decision_key, votes)
        return Ruling((Fact("voted", key, data, still_asked(row)),), votes=votes, needed=needed)
    if answer.approved and needed > 1:
        data = data | together([*said.votes, data])
    return Ruling((Fact("decided", row.decision_key, data, still_asked(row)),), votes=votes, needed=needed)


def place(row: NodeRow) -> Json:
    return {"node": row.node, "iteration": row.iteration}


def still_asked(row: NodeRow) -> NodeState:
    """The node waits, and this question has no answer yet."""
    return NodeState(row.node, row.iteration, (WAITING,), unless=row.decision_key)


def check_new(answer: Answer, votes: Sequence[Json]) -> None:
    if answer.approved and any(vote["by"] == answer.by for vote in votes):
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
