"""A person's answer, held against the request that the node's row shows: what it becomes, or why it is refused.

Pure, and without the author's code: a command, a server and a test ask the same function. Who somebody is has been
found out before (a terminal believes what it is told; a server knows).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from smithers.engine.entry import Json
from smithers.engine.form import problems
from smithers.errors import AnswerRefused

NOTHING: Final[Any] = object()
"""No value was given; None is one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to one request."""

    approved: bool
    by: str
    note: str | None = None
    choice: str | None = None
    """Key of the option, for `select`."""
    ranking: tuple[str, ...] | None = None
    """Keys of all options, best first, for `rank`."""
    value: Any = field(default=NOTHING)
    """JSON, for a human task."""
    scopes: frozenset[str] = frozenset()

    @property
    def verb(self) -> str:
        return "approved" if self.approved else "denied"


def mode_of(request: Json | None) -> str:
    """approve, select, rank; human for a human task, gate for a task that needs an approval."""
    return str((request or {}).get("mode") or "approve")


def check_person(request: Json | None, answer: Answer) -> None:
    """Raises `AnswerRefused` where the request names people or scopes and this person is not among them."""
    asked = request or {}
    users, scopes = asked.get("allowed_users") or (), asked.get("allowed_scopes") or ()
    if users and answer.by not in users:
        raise AnswerRefused(
            f"{answer.by} may not decide this: it is for {listed(users)}.", code="NOT_ALLOWED", by=answer.by
        )
    if scopes and not answer.scopes.intersection(scopes):
        raise AnswerRefused(
            f"{answer.by} may not decide this: it needs the scope {listed(scopes, 'or')}.",
            code="NOT_ALLOWED",
            by=answer.by,
        )


def decision(request: Json | None, answer: Answer) -> Json:
    """The answer as the log keeps it, without its place. Raises `AnswerRefused` where it does not fit the mode."""
    said: Json = {"approved": answer.approved, "by": answer.by, "note": answer.note}
    mode = mode_of(request)
    if mode != "approve":
        said["mode"] = mode
    if not answer.approved:
        return said | refuse_extra(answer, mode, ())
    match mode:
        case "select":
            return said | refuse_extra(answer, mode, ("choice",)) | selected(request or {}, answer)
        case "rank":
            return said | refuse_extra(answer, mode, ("ranking",)) | ranked(request or {}, answer)
        case "human":
            return said | refuse_extra(answer, mode, ("value", "note")) | filled_in(request or {}, answer)
        case _:
            return said | refuse_extra(answer, mode, ())


def refuse_extra(answer: Answer, mode: str, taken: tuple[str, ...]) -> Json:
    given = {
        "choice": answer.choice is not None,
        "ranking": answer.ranking is not None,
        "value": answer.value is not NOTHING,
    }
    extra = [name for name, is_given in given.items() if is_given and name not in taken]
    if extra and not answer.approved:
        raise AnswerRefused(f"A denial takes no {extra[0]}: say why with a note.", code="INVALID_CHOICE")
    if extra:
        raise AnswerRefused(f"This request takes no {extra[0]}: {WANTED[mode]}", code="INVALID_CHOICE")
    return {}


WANTED: Final = {
    "approve": "it asks yes or no.",
    "gate": "it asks yes or no.",
    "select": "it asks for one option (--choice KEY).",
    "rank": "it asks for an order of all options (--rank KEY,KEY,...).",
    "human": "it asks for a value (smithers human answer).",
}


def selected(request: Json, answer: Answer) -> Json:
    keys = option_keys(request)
    if answer.choice is None:
        raise AnswerRefused(f"Say which option: {listed(keys, 'or')}.", code="INVALID_CHOICE", options=keys)
    check_option(answer.choice, keys)
    return {"selected": answer.choice}


def ranked(request: Json, answer: Answer) -> Json:
    keys = option_keys(request)
    if answer.ranking is None:
        raise AnswerRefused(f"Say in which order, best first: {listed(keys)}.", code="INVALID_CHOICE", options=keys)
    for key in answer.ranking:
        check_option(key, keys)
    twice = [key for key in keys if answer.ranking.count(key) > 1]
    if twice:
        raise AnswerRefused(f"{twice[0]!r} is ranked twice.", code="INVALID_CHOICE", options=keys)
    missing = [key for key in keys if key not in answer.ranking]
    if missing:
        raise AnswerRefused(
            f"The ranking leaves out {listed(missing)}: it names every option once.",
            code="INVALID_CHOICE",
            options=keys,
        )
    return {"ranked": list(answer.ranking)}


def check_option(key: str, keys: list[str]) -> None:
    if key in keys:
        return
    near = get_close_matches(key, keys, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {listed(keys)}."
    raise AnswerRefused(f"There is no option {key!r}. {hint}", code="INVALID_CHOICE", options=keys)


def filled_in(request: Json, answer: Answer) -> Json:
    """The value, which `approve --note` may bring as text (components-human-task)."""
    value = answer.value
    if value is NOTHING:
        value = from_note(answer.note)
    found = problems(request.get("schema") or {}, value)
    if found:
        raise AnswerRefused(
            f"The answer does not fit {request.get('output', 'its form')}: {'; '.join(map(str, found))}.",
            code="INVALID_ANSWER",
            fields=[problem.field for problem in found],
        )
    return {"value": value}


def from_note(note: str | None) -> Any:
    try:
        return json.loads(note or "", parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AnswerRefused(f"The answer is not JSON: {error}.", code="INVALID_ANSWER", fields=[]) from None


def refuse_constant(name: str) -> object:
    """Python reads NaN and Infinity as numbers; JSON has none of them."""
    raise ValueError(f"{name} is not JSON")


def option_keys(request: Json) -> list[str]:
    return [str(option["key"]) for option in request.get("options") or ()]


def output_of(said: Json) -> Json | None:
    """What a stored decision is to those who read the node; None where there is nothing, or where a plan must look."""
    match said.get("mode", "approve"):
        case "select":
            return {"selected": said["selected"], "notes": said.get("note")} if said["approved"] else None
        case "rank":
            return {"ranked": said["ranked"], "notes": said.get("note")} if said["approved"] else None
        case "human" | "gate":
            return None
        case _:
            approved, note, by = said["approved"], said.get("note"), said.get("by")
            return {"approved": approved, "note": note, "decided_by": by, "decided_at": None}


def listed(names: Sequence[str], last: str = "and") -> str:
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end
