"""Storing what people answer: one transaction, whatever else is running or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from smithers.engine.answer import Answer
from smithers.engine.entry import Entry, Fact, escalated_key
from smithers.engine.frame import NodeRow
from smithers.engine.ruling import WAITING, Ruling, rule
from smithers.engine.ruling import delegate as delegation
from smithers.engine.ruling import withdraw as withdrawal
from smithers.engine.said import Said, collected
from smithers.store.interface import Store
from smithers.store.records import Append

MOST_LOOKS: Final = 100
"""Each follows something that somebody else has said in between."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an answer."""

    entry: Entry
    ruling: Ruling

    @property
    def is_final(self) -> bool:
        """False where more people must approve."""
        return self.ruling.is_final


def decide(store: Store, run_id: str, row: NodeRow, answer: Answer) -> Decided | None:
    """Stores an answer to the question in `row`. None where that is not asked, or not asked any more.

    Raises `AnswerRefused` where it does not fit or is not for this person to give; that is stored too, and the question
    stays. `RunNotFound` as the store does.
    """
    if row.state != WAITING:
        return None
    for _ in range(MOST_LOOKS):
        before = said(store, run_id, row)
        ruling = rule(row, answer, before)
        done = store.append(Append(run_id, ruling.facts))
        first = done.outcomes[0]
        if first == "stored":
            if ruling.refused is not None:
                raise ruling.refused
            return Decided(done.entries[0], ruling)
        if is_over(store, run_id, row, first, before):
            return None
    return None


def withdraw(store: Store, run_id: str, row: NodeRow, who: Answer) -> Entry | None:
    """Takes one of several approvals back. None as for `decide`; raises `AnswerRefused` where there is none of theirs,
    and nothing is stored then."""
    return act(store, run_id, row, partial(withdrawal, row, who))


def delegate(store: Store, run_id: str, row: NodeRow, who: Answer, to: str) -> Entry | None:
    """Hands the question in `row` to another user. None as for `decide`; raises `AnswerRefused` where this person must
    not, and nothing is stored then."""
    return act(store, run_id, row, partial(delegation, row, who, to))


def act(store: Store, run_id: str, row: NodeRow, make: Callable[[Said], Fact]) -> Entry | None:
    for _ in range(MOST_LOOKS):
        if row.state != WAITING or is_decided(store, run_id, row):
            return None
        before = said(store, run_id, row)
        done = store.append(Append(run_id, (make(before),)))
        if done.entries:
            return done.entries[0]
        if is_over(store, run_id, row, done.outcomes[0], before):
            return None
    return None


def is_over(store: Store, run_id: str, row: NodeRow, outcome: str, before: Said) -> bool:
    """Whether what was not stored is not asked any more; otherwise somebody has only been quicker."""
    if outcome == "rejected":
        return said(store, run_id, row).acts == before.acts
    return is_decided(store, run_id, row)


def is_decided(store: Store, run_id: str, row: NodeRow) -> bool:
    found = store.entries_by_key(run_id, row.decision_key)
    return any(entry.key == row.decision_key for entry in found)


def said(store: Store, run_id: str, row: NodeRow) -> Said:
    """What was said and done about this question so far."""
    key, detail = row.decision_key, row.detail or {}
    find = partial(store.entries_by_key, run_id)
    return collected(
        row,
        find(f"{key}~"),
        find(f"rejected:{key}~"),
        find(f"reminded:{key}~") if detail.get("remind_after_ms") else (),
        find(escalated_key(key)) if detail.get("escalate_after_ms") else (),
    )
