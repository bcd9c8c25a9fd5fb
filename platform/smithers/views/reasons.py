"""What single nodes wait for or are at: each a reason why their run does not go on, with what would change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Json, node_key
from smithers.engine.frame import NodeRow
from smithers.engine.state import NORMAL
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import OpenCommandRow, Run
from smithers.views.approvals import pending
from smithers.views.asking import due_times, how_to_answer, more_lines, told_end, what_waits
from smithers.views.attempts import node_entries
from smithers.views.course import course_wire
from smithers.views.nodes import named, shown_iteration, told_error
from smithers.views.signals import event_wire, open_events, send_command, told_event
from smithers.views.times import iso, local, now_ms, span
from smithers.views.turns import place_in

MOST_NODES: Final = 50
"""Of the same kind; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that the run waits for, or died of."""

    kind: str
    """pause, approval, timer, event, task, subflow, turn, queue, backoff, dependency, order, cap, budget, plan, worker,
    code, old-code, cancel, failure, more."""
    text: str
    since_ms: int = 0
    unblock: str = ""
    command: str = ""
    node: str = ""
    iteration: str = ""
    data: Json = field(default_factory=dict[str, Any])

    def wire(self) -> Json:
        found: Json = {"kind": self.kind, "text": self.text}
        if self.node:
            found |= {"nodeId": self.node, "iteration": shown_iteration(self.iteration)}
        if self.since_ms:
            found |= {"since": iso(self.since_ms)}
        return found | {"unblock": self.unblock or None, "command": self.command or None} | self.data


Place = tuple[str, str]
"""Node and iteration."""


def people(store: Store, run: Run, only: Place | None = None) -> list[Reason]:
    """Questions to people: all, or that of one node."""
    waiting = [row for row in pending(store, run.run_id) if only in (None, (row.node, row.iteration))]
    due = due_times(store, run.run_id) if waiting else {}
    return [approval(store, run, row, due.get((row.node, row.iteration), 0)) for row in waiting]


def approval(store: Store, run: Run, row: NodeRow, due_ms: int) -> Reason:
    return Reason(
        "approval",
        "\n".join([what_waits(row), *more_lines(store, run, row, due_ms)]),
        row.first_ms or run.updated_ms,
        "a person answers it" if row.kind == "humantask" else "a person approves or denies it",
        how_to_answer(run.run_id, row),
        row.node,
        row.iteration,
        course_wire(row, said(store, run.run_id, row)),
    )


def events(store: Store, run: Run, only: Place | None = None) -> list[Reason]:
    """Waits for events, with how long they last and what came that they could not take."""
    rows = [row for row in open_events(store.nodes(run.run_id)) if only in (None, (row.node, row.iteration))]
    opened = store.open_commands(run.run_id) if rows else []
    due = {node_key(one.command.node, one.command.iteration): one.command.due_ms for one in opened}
    return [event(run, row, due.get(node_key(row.node, row.iteration), 0)) for row in rows[:MOST_NODES]]


def event(run: Run, row: NodeRow, due_ms: int) -> Reason:
    detail = row.detail or {}
    until = f", {told_end(due_ms, detail.get('on_timeout'))}" if due_ms else ""
    unfit = [f"\nsignal {one['seq']} does not fit {detail.get('output')}: {one['why']}" for one in detail["unfit"]]
    return Reason(
        "event",
        f"{named(row.node, row.iteration)} waits for the event {told_event(row)}{until}{''.join(unfit)}",
        row.first_ms or run.updated_ms,
        "somebody sends it",
        send_command(run.run_id, detail),
        row.node,
        row.iteration,
        {"event": event_wire(row)} | ({"expiresAt": iso(due_ms)} if due_ms else {}),
    )


def turn(store: Store, run: Run, row: OpenCommandRow) -> Reason:
    """A task that waits for its turn in a queue that runs share: who is before it, and who has a slot."""
    place = row.command.node, row.command.iteration
    queue = (store.command(run.run_id, row.command.n)[0].command.payload or {}).get("queue", "")
    stands = place_in(store, queue, run.run_id, *place)
    holders, before = stands.holders, len(stands.before)
    may = "1 may run at a time" if stands.limit == 1 else f"{stands.limit} may run at the same time"
    text = f"{named(*place)} waits for its turn in queue {queue!r}, of which {may}: "
    text += f"{before} before it." if before else "it is next."
    text += "".join(
        f"\n{named(one.node, one.iteration)} of run {one.run_id} has a slot." for one in holders[:MOST_NODES]
    )
    held = [{"runId": one.run_id, "nodeId": one.node, "iteration": shown_iteration(one.iteration)} for one in holders]
    return Reason(
        "turn",
        text,
        stands.since_ms,
        "a task of the queue ends",
        f"smithers why {holders[0].run_id}" if holders else "",
        *place,
        {"queue": queue, "limit": stands.limit, "before": before, "holders": held},
    )


def timer(row: OpenCommandRow, node: NodeRow | None) -> Reason:
    """A time that is waited for, since the node was told to: nobody need do anything."""
    due = row.command.due_ms
    left = due - now_ms()
    when = f"fires in {span(left)}, at {local(due)}" if left > 0 else f"was due {span(-left)} ago, at {local(due)}"
    place = row.command.node, row.command.iteration
    since = node.first_ms if node is not None and node.state == "waiting-timer" else 0
    text = f"{named(*place)} waits for a time: it {when}."
    return Reason("timer", text, since, "its time comes", "", *place, {"firesAt": iso(due)})


def task(store: Store, run: Run, row: OpenCommandRow, node: NodeRow | None) -> Reason:
    """A task whose body has begun, or that waits for a worker, or until it is tried again."""
    command = row.command
    name = f"{named(command.node, command.iteration)} (attempt {command.attempt})"
    claims = list(node_entries(store, run.run_id, "claim", command.node, command.iteration))
    mine = [entry for entry in claims if entry.data["attempt"] == command.attempt]
    if mine:
        return at_work(name, mine[-1], command, node)
    if command.due_ms > now_ms():
        return backoff(store, run, name, command)
    since = node.first_ms if node is not None and command.attempt == 1 else 0
    text = f"{name} is ready and waits for a worker to take it{told_priority(run)}."
    unblock = "a worker with the run's code, and with room for it, takes it"
    return Reason("queue", text, since, unblock, "", command.node, command.iteration)


def at_work(name: str, claim: Entry, command: Command, node: NodeRow | None) -> Reason:
    worker, took = claim.data.get("worker", ""), span(now_ms() - claim.at_ms)
    text = f"{name} has been running for {took}."
    if node is not None and node.state == "cancelling":
        text = f"{name} has been running for {took} and is being cancelled: its body was told to stop."
    place = command.node, command.iteration
    return Reason("task", text, claim.at_ms, node=place[0], iteration=place[1], data={"worker": worker})


def backoff(store: Store, run: Run, name: str, command: Command) -> Reason:
    """With why the attempt before it has failed."""
    place = command.node, command.iteration
    ended = [one for one in node_entries(store, run.run_id, "ended", *place) if one.data["outcome"] == "failed"]
    text = f"{name} is tried again in {span(command.due_ms - now_ms())}, at {local(command.due_ms)}."
    data: Json = {"firesAt": iso(command.due_ms)}
    if ended:
        error: Json = ended[-1].data.get("error") or {}
        text += f"\nThe attempt before it failed: {error.get('code', '')}: {told_error(error)}"
        data["error"] = error
    return Reason("backoff", text, ended[-1].at_ms if ended else 0, "its time comes", "", *place, data)


def told_priority(run: Run) -> str:
    """Of a run that lets others go first."""
    priority = run.options.get("priority", NORMAL)
    return f" (priority {priority}: runs of a lower number come first)" if priority > NORMAL else ""
