"""Why a run does not go on: each thing it waits for, since when, what would unblock it, and the exact command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from smithers.cli.pausing import pause_of
from smithers.cli.views.codes import RunCode
from smithers.engine.answer import listed
from smithers.engine.entry import Entry, Json, node_key
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.frame import NodeRow
from smithers.store.deciding import said
from smithers.store.interface import Store
from smithers.store.records import OpenCommandRow, Run
from smithers.views.approvals import pending, told_decision
from smithers.views.asking import due_times, how_to_answer, more_lines, told_end, what_waits
from smithers.views.attempts import Attempt, attempts_of, node_entries
from smithers.views.children import as_seen, child_of
from smithers.views.course import course_wire
from smithers.views.nodes import named, shown_iteration
from smithers.views.rendering import render_failure
from smithers.views.signals import event_wire, open_events, send_command, told_event
from smithers.views.times import ago, iso, local, now_ms, span
from smithers.views.turns import place_in

MOST_NODES: Final = 50
"""Of the same kind; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that the run waits for, or died of."""

    kind: str
    """pause, approval, timer, event, task, subflow, turn, queue, backoff, plan, worker, code, old-code, cancel,
    failure, more."""
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


@dataclass(frozen=True, slots=True)
class Why:
    run: Run
    """As people see it, see `as_seen`."""
    summary: str
    reasons: tuple[Reason, ...]
    code: RunCode | None = None
    """By which code it goes; None where nobody has looked, or where it is over."""

    def wire(self) -> Json:
        return {
            "runId": self.run.run_id,
            "status": self.run.status,
            "summary": self.summary,
            "reasons": [reason.wire() for reason in self.reasons],
            "error": self.run.error,
            **({"code": self.code.wire()} if self.code is not None else {}),
        }


def explain(store: Store, run: Run, *, has_worker: bool, code: RunCode | None = None) -> Why:
    """Reads the store only; `code` is what is known of who holds the run's code."""
    match run.status:
        case "finished":
            return Why(run, f"It finished {ago(run.updated_ms, now_ms())} and waits for nothing.", ())
        case "cancelled":
            return Why(run, cancelled(store, run), ())
        case "failed":
            return Why(run, "It failed.", (failure(store, run),))
        case _:
            return open_run(store, run, has_worker, code)


NEEDS_NO_WORKER: Final = ("pause", "approval", "event", "code", "old-code", "subflow", "turn")


def open_run(store: Store, run: Run, has_worker: bool, held: RunCode | None) -> Why:
    paused, awaited, old = pause(store, run), events(store, run), old_code(run, held)
    reasons = [*cancel_request(store, run), *paused, *code(store, run), *old, *people(store, run), *awaited]
    reasons += work(store, run)
    unplanned = due_facts(store, run)
    if unplanned:
        reasons.append(Reason("plan", told_facts(unplanned, paused=bool(paused)), unplanned[-1].at_ms))
    needs = [reason for reason in reasons if not (paused and reason.kind in ("plan", "queue", "backoff"))]
    needs_worker = any(reason.kind not in NEEDS_NO_WORKER for reason in needs)
    if not has_worker and not old and (needs_worker or not reasons):
        reasons.append(
            Reason(
                "worker",
                "No worker of this project runs on this machine, so nothing goes on by itself.",
                unblock="start a worker",
                command=f"smithers up --resume {run.run_id}",
            )
        )
    return Why(as_seen(store, run), summary(reasons), tuple(reasons), held)


OWN_WAITS: Final = ("timer", "turn")


def waits_of(store: Store, run: Run) -> list[Reason]:
    """What nodes of the run itself wait for: people, events, their turn, a time."""
    return [*people(store, run), *events(store, run), *(one for one in work(store, run) if one.kind in OWN_WAITS)]


def old_code(run: Run, held: RunCode | None) -> list[Reason]:
    """The run is pinned to code that the file does not hold any more, and nobody here hosts it."""
    if held is None or held.standing != "kept":
        return []
    text = f"It goes by the code {run.digest[:12]}. {run.source} is other code now, and nobody here hosts the old one."
    return [
        Reason(
            "old-code",
            "\n".join([text, *(f"{line}." for line in held.changes)]),
            unblock=f"`smithers start` hosts it, and so does the command below; `smithers follow {run.run_id}` moves "
            "the run to the new code",
            command=f"smithers up --resume {run.run_id} --pinned",
            data={"digest": run.digest, "source": run.source},
        )
    ]


def summary(reasons: list[Reason]) -> str:
    kinds = {reason.kind for reason in reasons}
    waits = [name for kind, name in WAITS.items() if kind in kinds]
    if waits and "task" in kinds:
        return f"It is running: tasks are at work. It waits for {listed(waits)}, too."
    if waits:
        return f"It waits for {listed(waits)}."
    if "subflow" in kinds and "task" not in kinds:
        return "It waits for a run that it has started."
    if "task" in kinds:
        return "It is running: tasks are at work."
    return "It is running, and its next step is due."


WAITS: Final = {
    "pause": "somebody to unpause it",
    "approval": "a person",
    "event": "an event",
    "turn": "its turn in a queue",
    "timer": "a time",
    "code": "a workflow file that renders",
    "worker": "a worker",
    "old-code": "a worker with its code",
}


def due_facts(store: Store, run: Run) -> list[Entry]:
    """What has been stored and not been acted upon."""
    return [entry for entry in store.entries(run.run_id, after=run.planned) if entry.kind in UNPLANNED_KINDS]


def pause(store: Store, run: Run) -> list[Reason]:
    found = pause_of(store, run)
    if found is None:
        return []
    note = f": {found.note}" if found.note else "."
    text = f"It is paused by {found.by}{note} Nothing new begins; what runs comes to its end."
    unpause = f"smithers unpause {run.run_id}"
    return [Reason("pause", text, found.since_ms, "somebody unpauses it", unpause, data={"pause": found.wire()})]


def told_facts(facts: list[Entry], *, paused: bool) -> str:
    last = facts[-1]
    is_decision = last.kind == "decided" or last.key.startswith("decided:")
    what = told_decision(last) if is_decision else f"Something new was stored ({last.kind})."
    return f"{what} {'It is acted upon when the run goes on.' if paused else 'Its next step is due.'}"


def failure(store: Store, run: Run) -> Reason:
    """The stored error, with the node it came from and the attempts it took."""
    error = run.error or {"code": "UNKNOWN", "message": "no reason was stored"}
    node, iteration = str(error.get("node", "")), str(error.get("iteration", ""))
    data: Json = error.get("data") or {}
    where = str(error.get("where") or data.get("where") or "")
    text = f"{error.get('code')}: {error.get('message')}"
    if node:
        attempts = attempts_of(store, run.run_id, node, iteration)
        text = f"{named(node, iteration)} failed{tries(attempts)}: {text}"
    text += told_where(text, where)
    return Reason(
        "failure",
        text,
        run.updated_ms,
        "put the cause right; the run goes on from the failed node, with the outputs it has",
        f"smithers up --resume {run.run_id}",
        node,
        iteration,
        {"error": error},
    )


def told_where(text: str, where: str) -> str:
    """A line to add to an error's text, unless that has it."""
    return f"\nat {where}" if where and where not in text else ""


def tries(attempts: list[Attempt]) -> str:
    return f" after {len(attempts)} attempts" if len(attempts) > 1 else ""


def cancelled(store: Store, run: Run) -> str:
    found = store.entries_by_key(run.run_id, "cancel")
    by = f" by {found[-1].data.get('by') or 'somebody'}" if found else ""
    return f"It was cancelled{by} {ago(run.updated_ms, now_ms())}. That is final; its outputs stay."


def cancel_request(store: Store, run: Run) -> list[Reason]:
    return [
        Reason(
            "cancel",
            f"{entry.data.get('by') or 'Somebody'} asked to cancel it; what runs is being stopped.",
            entry.at_ms,
        )
        for entry in store.entries_by_key(run.run_id, "cancel")[-1:]
    ]


def code(store: Store, run: Run) -> list[Reason]:
    """The run's code does not render: the last `render_failed` that no frame has followed."""
    entry = render_failure(store, run)
    if entry is None:
        return []
    error: Json = entry.data.get("error") or {}
    text = f"The workflow file does not render: {error.get('code', '')} {error.get('message', '')}"
    text += told_where(text, str(error.get("where") or ""))
    return [
        Reason(
            "code",
            text,
            entry.at_ms,
            f"edit {run.source} and follow the new code",
            f"smithers up --resume {run.run_id} --follow",
            data={"digest": run.digest, "source": run.source},
        )
    ]


def people(store: Store, run: Run) -> list[Reason]:
    waiting = pending(store, run.run_id)
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


def events(store: Store, run: Run) -> list[Reason]:
    """Waits for events, with how long they last and what came that they could not take."""
    rows = open_events(store.nodes(run.run_id))
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


def work(store: Store, run: Run) -> list[Reason]:
    """What is in flight: tasks whose body has begun, tasks that wait for a worker or for their backoff, timers."""
    nodes = store.nodes(run.run_id)
    waits = {node_key(row.node, row.iteration) for row in open_events(nodes)}
    begun = {(row.node, row.iteration): row.first_ms for row in nodes if row.state == "waiting-timer"}
    kinds = ("run", "child", "subflow", "timer", "turn")
    open_rows = [row for row in store.open_commands(run.run_id) if row.command.kind in kinds]
    open_rows = [row for row in open_rows if node_key(row.command.node, row.command.iteration) not in waits]
    open_rows = [row for row in open_rows if row.command.kind != "timer" or not row.command.attempt]  # see `people`
    found: list[Reason] = []
    for row in open_rows[:MOST_NODES]:
        if row.command.kind == "subflow":
            found += subflow(store, run, row)
        elif row.command.kind == "turn":
            found.append(turn(store, run, row))
        else:
            found.append(timer(row, begun) if row.command.kind == "timer" else task(store, run, row))
    if len(open_rows) > MOST_NODES:
        found.append(Reason("more", f"... and {len(open_rows) - MOST_NODES} more."))
    return found


def subflow(store: Store, run: Run, row: OpenCommandRow) -> list[Reason]:
    """The child run, and what that waits for itself."""
    child = child_of(store, run.run_id, row)
    if child is None:
        return [task(store, run, row)]
    place = row.command.node, row.command.iteration
    below = explain(store, child, has_worker=True)
    child = below.run
    text = f"{named(*place)} waits for its run {child.run_id} ({child.workflow}), which is {child.status}."
    about = {"runId": child.run_id, "status": child.status}
    first = Reason("subflow", text, child.created_ms, "", f"smithers why {child.run_id}", *place, about)
    return [first, *(below_of(child, reason) for reason in below.reasons)]


def below_of(child: Run, reason: Reason) -> Reason:
    """A reason of a child run: it says which."""
    text = reason.text if "runId" in reason.data else f"in run {child.run_id}: {reason.text}"
    return replace(reason, text=text, data={"runId": child.run_id} | reason.data)


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


def timer(row: OpenCommandRow, begun: Mapping[tuple[str, str], int]) -> Reason:
    """A time that is waited for, since the node was told to: nobody need do anything."""
    due = row.command.due_ms
    left = due - now_ms()
    when = f"fires in {span(left)}, at {local(due)}" if left > 0 else f"was due {span(-left)} ago, at {local(due)}"
    place = row.command.node, row.command.iteration
    text = f"{named(*place)} waits for a time: it {when}."
    return Reason("timer", text, begun.get(place, 0), "its time comes", "", *place, {"firesAt": iso(due)})


def task(store: Store, run: Run, row: OpenCommandRow) -> Reason:
    command = row.command
    name = f"{named(command.node, command.iteration)} (attempt {command.attempt})"
    claims = list(node_entries(store, run.run_id, "claim", command.node, command.iteration))
    mine = [entry for entry in claims if entry.data["attempt"] == command.attempt]
    if mine:
        since = mine[-1].at_ms
        worker = mine[-1].data.get("worker", "")
        text = f"{name} has been running for {span(now_ms() - since)}."
        return Reason("task", text, since, node=command.node, iteration=command.iteration, data={"worker": worker})
    if command.due_ms > now_ms():
        text = f"{name} is tried again in {span(command.due_ms - now_ms())}."
        return Reason("backoff", text, node=command.node, iteration=command.iteration)
    return Reason(
        "queue", f"{name} is ready and waits for a worker to take it.", node=command.node, iteration=command.iteration
    )
