"""Races and time limits around a node: who else is in the race, when the time is over, and what happens then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from smithers.engine.answer import listed
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.engine.state import OPEN_STATES
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.nodes import named
from smithers.views.times import iso, local, now_ms, span

THEN: Final = {
    "fail": "it fails, and what runs in it is cancelled",
    "skip": "what runs in it is cancelled, and it counts as skipped",
    "continue": "what runs in it is cancelled, and the run goes on with the outputs that are there",
    "warn": "an event says so, and it goes on",
}
WORDS: Final = {"timeout": "timeout", "latency": "latency_slo"}
DueTimes = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one node."""

    lines: tuple[str, ...] = ()
    wire: tuple[Json, ...] = ()

    @property
    def data(self) -> Json:
        return {"limits": list(self.wire)} if self.wire else {}

    @property
    def text(self) -> str:
        return "".join(f"\n{line}" for line in self.lines)


def limits_of(rows: Sequence[NodeRow], due: DueTimes, row: NodeRow, *, far: bool = True) -> Limits:
    """Innermost first. `due` says when the open timers fire. Without `far`, time limits only of their own timers."""
    near = [block for block in blocks(row) if far or block["kind"] == "race" or block.get("own")]
    found = [one for block in near if (one := limit(rows, due, block)) is not None]
    return Limits(tuple(text for text, _ in found), tuple(wire for _, wire in found))


def timer_dues(store: Store, run: Run) -> DueTimes:
    """When each `Timer` of a run fires, those of time limits among them."""
    opened = (row.command for row in store.open_commands(run.run_id))
    return {(one.node, one.iteration): one.due_ms for one in opened if one.kind == "timer" and not one.attempt}


def blocks(row: NodeRow) -> Iterable[Json]:
    return (row.around or {}).get("blocks", [])


def limit(rows: Sequence[NodeRow], due: DueTimes, block: Json) -> tuple[str, Json] | None:
    return race(rows, block) if block["kind"] == "race" else time_limit(rows, due, block)


def race(rows: Sequence[NodeRow], block: Json) -> tuple[str, Json]:
    """With those that are open in the race's other children."""
    inside = [(one, mine) for one in rows if one.state in OPEN_STATES for mine in blocks(one) if same(mine, block)]
    others = [named(one.node, one.iteration) for one, mine in inside if mine["lane"] != block["lane"]]
    against = f" against {listed(others)}" if others else ""
    text = f"It is in the race {block['id']!r}{against}: the first that is done wins, and the others are cancelled."
    return text, {"kind": "race", "id": block["id"], "against": others}


def time_limit(rows: Sequence[NodeRow], due: DueTimes, block: Json) -> tuple[str, Json] | None:
    """None where its timer does not run (any more)."""
    timers = (one for one in rows if any(same(mine, block) and mine.get("own") for mine in blocks(one)))
    timer = next((one for one in timers if (one.node, one.iteration) in due), None)
    if timer is None:
        return None
    at = due[timer.node, timer.iteration]
    left = f"in {span(at - now_ms())}, " if at > now_ms() else ""
    what = f"the {WORDS[block['kind']]} of {block['what']} {block['id']!r}"
    until = f"It is {what}" if block.get("own") else f"T{what[1:]} is over {left}at {local(at)}"
    text = f"{until}: then {THEN[block['then']]}."
    about: Json = {"kind": block["kind"], "id": block["id"], "timer": timer.node, "then": block["then"]}
    return text, about | {"expiresAt": iso(at)}


def same(one: Json, other: Json) -> bool:
    return (one["kind"], one["key"]) == (other["kind"], other["key"])
