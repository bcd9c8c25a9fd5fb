"""What was said and done about one question so far, and who may decide it by now.

Votes, votes that were taken back and delegations are numbered together, in one sequence for each time a question is
asked. So each of them, and the decision itself, is stored only on top of what was read: two people who act at once
cannot both be right about who has voted and who may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from smithers.engine.answer import Answer, check_person
from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.errors import AnswerRefused

ACTS: Final = ("voted", "withdrawn", "delegated")


@dataclass(frozen=True, slots=True)
class Said:
    """About the question that a row asks now."""

    acts: tuple[Entry, ...] = ()
    """`voted`, `withdrawn` and `delegated` entries, in order."""
    refusals: tuple[Json, ...] = ()
    """Data of `rejected` entries."""
    reminders: tuple[Entry, ...] = ()
    escalation: Entry | None = None

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The `voted` entries that count: of each person the last one, unless that was taken back."""
        found: dict[str, Entry] = {}
        for act in self.acts:
            if act.kind in ("voted", "withdrawn"):
                found.pop(act.data["by"], None)
            if act.kind == "voted":
                found[act.data["by"]] = act
        return tuple(found.values())

    @property
    def votes(self) -> tuple[Json, ...]:
        return tuple(entry.data for entry in self.standing)

    @property
    def delegations(self) -> tuple[Entry, ...]:
        return tuple(act for act in self.acts if act.kind == "delegated")

    @property
    def holders(self) -> tuple[str, ...]:
        """Users who may decide because somebody has handed it to them, and who have not handed it on."""
        return tuple(user for user, to in self.hands.items() if not to)

    @property
    def hands(self) -> Mapping[str, str]:
        """By user: whom they have handed it to; empty for those who hold it themselves, by somebody else's hand."""
        found: dict[str, str] = {}
        for act in self.delegations:
            found[act.data["by"]] = act.data["to"]
            found[act.data["to"]] = ""
        return found

    @property
    def later(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Users and scopes that may decide since the escalation."""
        about: Json = {} if self.escalation is None else self.escalation.data
        return tuple(about.get("users") or ()), tuple(about.get("scopes") or ())


def check_may_decide(row: NodeRow, answer: Answer, said: Said) -> None:
    """Raises `AnswerRefused` where this person may not decide what the row asks: not by its author's word, nor since
    an escalation, nor by somebody else's hand; or has handed it on."""
    to = said.hands.get(answer.by)
    if to:
        raise AnswerRefused(
            f"{answer.by} has handed this to {to} and does not decide it any more.", code="NOT_ALLOWED", by=answer.by
        )
    users, scopes = said.later
    if to == "" or answer.by in users or answer.scopes.intersection(scopes):
        return
    check_person(by_now(row, said), answer)


def by_now(row: NodeRow, said: Said) -> Json:
    """The request with the people and scopes that may decide it now, as far as it names any."""
    request = row.detail or {}
    users, scopes = said.later
    named = [user for user in request.get("allowed_users") or () if not said.hands.get(user)]
    more = {"allowed_users": [*named, *said.holders, *users], "allowed_scopes": [*listed_scopes(request), *scopes]}
    return {**request, **{name: without_twins(names) for name, names in more.items() if request.get(name)}}


def listed_scopes(request: Json) -> Sequence[str]:
    return request.get("allowed_scopes") or ()


def without_twins(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def about(row: NodeRow, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Those of this node: ids may hold what keys divide with, so that a key's beginning is not enough."""
    place = row.node, row.iteration
    return tuple(entry for entry in entries if (entry.data.get("node"), entry.data.get("iteration")) == place)


def collected(
    row: NodeRow,
    acts: Sequence[Entry],
    refusals: Sequence[Entry] = (),
    reminders: Sequence[Entry] = (),
    escalations: Sequence[Entry] = (),
) -> Said:
    """From entries whose keys begin with what stands before the number."""
    mine = [entry for entry in about(row, acts) if entry.kind in ACTS]
    said = Said(tuple(mine), tuple(entry.data for entry in about(row, refusals)), about(row, reminders))
    ask = (row.detail or {}).get("ask", 1)
    done = [entry for entry in about(row, escalations) if entry.data["ask"] == ask]
    return replace(said, escalation=done[-1]) if done else said
