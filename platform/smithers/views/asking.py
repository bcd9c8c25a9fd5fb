"""A request as people and programs see it: what is asked, how it is answered, how far it is."""

from __future__ import annotations

from typing import Final

from smithers.engine.answer import listed, mode_of
from smithers.engine.command import is_nudge
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.engine.said import Said, by_now
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.course import course_lines, course_wire, told_people
from smithers.views.nodes import named, shown_iteration
from smithers.views.times import iso, local

PREFIX: Final = "human:"


def title_of(row: NodeRow) -> str:
    return str((row.detail or {}).get("title") or row.label or row.node)


def request_id(run_id: str, row: NodeRow) -> str:
    """The same for as long as the node is asked (components-human-task: buildHumanRequestId)."""
    return f"{PREFIX}{run_id}:{row.node}:{shown_iteration(row.iteration)}"


def approval_wire(row: NodeRow) -> Json:
    detail = row.detail or {}
    wire: Json = {
        "nodeId": row.node,
        "iteration": shown_iteration(row.iteration),
        "title": title_of(row),
        "summary": detail.get("summary") or None,
        "mode": mode_of(detail),
        "metadata": detail.get("metadata") or {},
    }
    return wire | {camel: detail[name] for name, camel in MORE.items() if detail.get(name)}


def request_wire(store: Store, run_id: str, row: NodeRow) -> Json:
    """A request as `inspect` lists it, with what was said and done about it so far."""
    course = course_wire(row, said(store, run_id, row))
    return approval_wire(row) | course | {"requestId": request_id(run_id, row)}


MORE: Final = {
    "options": "options",
    "prompt": "prompt",
    "schema": "schema",
    "quorum": "quorum",
    "allowed_users": "allowedUsers",
    "allowed_scopes": "allowedScopes",
    "max_attempts": "maxAttempts",
    "complaint": "complaint",
    "on_timeout": "onTimeout",
}


def how_to_answer(run_id: str, row: NodeRow) -> str:
    """The command that answers, ready to be typed but for the answer itself."""
    detail = row.detail or {}
    turn = f" --iteration {row.iteration}" if row.iteration else ""
    keys = [str(option["key"]) for option in detail.get("options") or ()]
    match mode_of(detail):
        case "select":
            return f"smithers approve {run_id} {row.node}{turn} --choice {'|'.join(keys)}"
        case "rank":
            return f"smithers approve {run_id} {row.node}{turn} --rank {','.join(keys)}"
        case "human":
            return f"smithers human answer {request_id(run_id, row)} --value '{blank(detail)}'"
        case _:
            return f"smithers approve {run_id} {row.node}{turn}"


def blank(detail: Json) -> str:
    """A form with nothing filled in: the fields that must be there; all of them where none must."""
    schema: Json = detail.get("schema") or {}
    properties: Json = schema.get("properties") or {}
    names = [name for name in properties if name in (schema.get("required") or ())] or list(properties)
    return "{" + ", ".join(f'"{name}": ...' for name in names) + "}"


def what_waits(row: NodeRow) -> str:
    """`publish waits for an approval: "Ship it?"`."""
    kinds = {"human": "a person's answer", "select": "a choice", "rank": "a ranking"}
    kind = kinds.get(mode_of(row.detail), "an approval")
    return f'{named(row.node, row.iteration)} waits for {kind}: "{title_of(row)}"'


def more_lines(store: Store, run: Run, row: NodeRow, due_ms: int = 0) -> list[str]:
    """What else a person should know before answering."""
    detail = row.detail or {}
    lines = [str(detail[name]) for name in ("summary", "prompt") if detail.get(name)]
    for option in detail.get("options") or ():
        text = " - ".join(part for part in (option.get("label"), option.get("summary")) if part)
        lines.append(f"  {option['key']}" + (f": {text}" if text else ""))
    if detail.get("metadata") and mode_of(detail) != "human":
        lines += [f"  {name}: {value}" for name, value in detail["metadata"].items()]
    if detail.get("complaint"):
        human = detail.get("mode") == "human"
        lines.append(f"{'the last answer did not fit' if human else 'it is asked again'}: {detail['complaint']}")
    course = said(store, run.run_id, row)
    lines += [*who_may(row, course), *course_lines(course)]
    return [*lines, told_end(due_ms, detail.get("on_timeout"))] if due_ms else lines


THEN: Final = {
    "fail": "it fails",
    "skip": "it is skipped",
    "continue": "it goes on without",
    "deny": "it counts as denied",
    "approve": "it counts as approved",
    "default": "what its author has given counts",
}


def told_end(due_ms: int, on_timeout: str | None) -> str:
    """`until 2027-01-31 09:00:00 (then it fails)`."""
    then = f" (then {THEN[on_timeout]})" if on_timeout in THEN else ""
    return f"until {local(due_ms)}{then}"


def who_may(row: NodeRow, course: Said) -> list[str]:
    """Lines about who may answer by now, and how many must."""
    detail = row.detail or {}
    lines: list[str] = []
    quorum = int(detail.get("quorum") or 1)
    if quorum > 1:
        votes = [str(vote["by"]) for vote in course.votes]
        so_far = f": {listed(votes)} did" if votes else ""
        lines.append(f"{quorum} people must approve, {len(votes)} so far{so_far}")
    users, scopes = detail.get("allowed_users") or (), detail.get("allowed_scopes") or ()
    if users and not scopes:
        return [*lines, f"for {told_people(by_now(row, course)['allowed_users'], course.later[1])}"]
    lines += [f"for {listed(users, 'or')}"] if users else []
    return lines + ([f"needs the scope {listed(scopes, 'or')}"] if scopes else [])


def due_times(store: Store, run_id: str) -> dict[tuple[str, str], int]:
    """By node and iteration: when the wait for a person ends. Nodes without a timeout are not in it."""
    rows = (row.command for row in store.open_commands(run_id) if row.command.kind == "timer")
    ends = (command for command in rows if command.attempt and not is_nudge(command))
    return {(command.node, command.iteration): command.due_ms for command in ends}


def inbox_wire(run: Run, row: NodeRow, due_ms: int, now: int, course: Said) -> Json:
    """As `smithers human inbox` lists it (cli.human.inbox)."""
    detail = row.detail or {}
    return (
        {
            "requestId": request_id(run.run_id, row),
            "runId": run.run_id,
            "workflowName": run.workflow,
            "runStatus": run.status,
            "nodeLabel": row.label or row.node,
            "kind": mode_of(detail),
            "prompt": detail.get("prompt") or title_of(row),
            "status": "pending",
            "requestedAt": iso(row.first_ms),
            "ageMs": max(0, now - row.first_ms),
            "timeoutAtMs": due_ms or None,
        }
        | approval_wire(row)
        | course_wire(row, course)
    )
