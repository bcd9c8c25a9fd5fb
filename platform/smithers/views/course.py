"""What was said and done about a question that still has no answer: votes, reminders, escalation, delegations."""

from __future__ import annotations

from collections.abc import Sequence

from smithers.engine.answer import listed
from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.engine.said import Said
from smithers.views.times import ago, iso, now_ms


def course_wire(row: NodeRow, said: Said) -> Json:
    """What there is of it, for programs."""
    found: Json = {}
    if said.standing:
        found["votes"] = [act_wire(vote) for vote in said.standing]
    if said.delegations:
        found["delegations"] = [act_wire(one) | {"to": one.data["to"]} for one in said.delegations]
    if (row.detail or {}).get("remind_after_ms"):
        last = said.reminders[-1].at_ms if said.reminders else None
        most = (row.detail or {}).get("reminders")
        found["reminders"] = {"count": len(said.reminders), "most": most, "lastAt": iso(last) if last else None}
    if said.escalation is not None:
        users, scopes = said.later
        found["escalated"] = {"at": iso(said.escalation.at_ms), "users": list(users), "scopes": list(scopes)}
    return found


def act_wire(act: Entry) -> Json:
    return {"by": act.data["by"], "note": act.data.get("note"), "at": iso(act.at_ms)}


def course_lines(said: Said) -> list[str]:
    """The same for people. Votes are told where the quorum is."""
    now = now_ms()
    lines = [told_delegation(one, now) for one in said.delegations]
    if said.reminders:
        count = len(said.reminders)
        lines.append(f"reminded {count} time{'s' * (count > 1)}, last {ago(said.reminders[-1].at_ms, now)}")
    if said.escalation is not None:
        lines.append(f"escalated {ago(said.escalation.at_ms, now)}: {told_people(*said.later)} may decide, too")
    return lines


def told_delegation(act: Entry, now: int) -> str:
    note = f": {act.data['note']}" if act.data.get("note") else ""
    return f"{act.data['by']} has handed it to {act.data['to']} {ago(act.at_ms, now)}{note}"


def told_people(users: Sequence[str], scopes: Sequence[str]) -> str:
    """`ann, bob or who has the scope ops`."""
    having = [f"who has the scope {listed(scopes, 'or')}"] if scopes else []
    return listed([*users, *having], "or") if users or having else "nobody"
