"""Storing what people answer: one transaction, whatever else is running or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smithers.engine.answer import Answer
from smithers.engine.entry import Entry
from smithers.engine.frame import NodeRow
from smithers.engine.ruling import WAITING, Ruling, Said, rule
from smithers.store.interface import Store
from smithers.store.records import Append

MOST_LOOKS: Final = 100
"""Each follows an answer that somebody else gave in between."""


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
        ruling = rule(row, answer, said(store, run_id, row))
        done = store.append(Append(run_id, ruling.facts))
        first = done.outcomes[0]
        if first == "stored":
            if ruling.refused is not None:
                raise ruling.refused
            return Decided(done.entries[0], ruling)
        if first == "rejected" or ruling.facts[0].key == row.decision_key:
            return None
    return None


def said(store: Store, run_id: str, row: NodeRow) -> Said:
    """What was said to this question so far."""
    votes = store.entries_by_key(run_id, f"{row.decision_key}~")
    refusals = store.entries_by_key(run_id, f"rejected:{row.decision_key}~")
    return Said(about(votes, row), about(refusals, row))


def about(entries: list[Entry], row: NodeRow) -> tuple[dict[str, object], ...]:
    """Ids may hold what keys divide with, so that a beginning is not enough."""
    return tuple(
        entry.data
        for entry in entries
        if (entry.data.get("node"), entry.data.get("iteration")) == (row.node, row.iteration)
    )
