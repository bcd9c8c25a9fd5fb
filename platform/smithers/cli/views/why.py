"""Why a run does not go on: each thing it waits for, since when, what would unblock it, and the exact command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from smithers.cli.pausing import pause_of
from smithers.cli.views.codes import RunCode, now
from smithers.engine.answer import listed
from smithers.engine.entry import Entry, Json
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.frame import NodeRow
from smithers.engine.state import OPEN_STATES, OPEN_STATUSES
from smithers.store.interface import Store
from smithers.store.records import OpenCommandRow, Run
from smithers.views.approvals import told_decision
from smithers.views.attempts import Attempt, attempts_of
from smithers.views.children import as_seen, child_of
from smithers.views.ended import how_it_ended
from smithers.views.held import held_back, held_node
from smithers.views.limits import limits_of, timer_dues
from smithers.views.nodes import named
from smithers.views.reasons import MOST_NODES, Place, Reason, events, people, task, timer, turn
from smithers.views.rendering import render_failure
from smithers.views.signals import open_events
from smithers.views.standing import Standing
from smithers.views.times import ago, now_ms


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
        case "continued":
            return Why(run, continued(store, run), ())
        case "failed":
            return Why(run, "It failed.", (failure(store, run),))
        case _:
            return open_run(store, run, has_worker, code)


NEEDS_NO_WORKER: Final = ("pause", "approval", "event", "code", "old-code", "subflow", "turn", "cap", "budget")


def open_run(store: Store, run: Run, has_worker: bool, held: RunCode | None) -> Why:
    paused, awaited, old = pause(store, run), events(store, run), old_code(run, held)
    reasons = [*cancel_request(store, run), *paused, *code(store, run), *old, *people(store, run), *awaited]
    reasons = limited(store, run, [*reasons, *work(store, run), *held_up(store, run)])
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


OWN_WAITS: Final = ("timer", "turn", "backoff")


def waits_of(store: Store, run: Run) -> list[Reason]:
    """What nodes of the run itself wait for: people, events, their turn, a time, a slot, tokens or money."""
    timed = [one for one in work(store, run) if one.kind in OWN_WAITS]
    return limited(store, run, [*people(store, run), *events(store, run), *timed, *held_up(store, run)])


def held_up(store: Store, run: Run) -> list[Reason]:
    """What caps and budgets hold back. A paused run lets nothing begin in any case."""
    found = list(held_back(Standing.of(store, run))) if run.status in OPEN_STATUSES else []
    more = [Reason("more", f"... and {len(found) - MOST_NODES} more wait for a slot or a budget.")]
    return found if len(found) <= MOST_NODES else [*found[:MOST_NODES], *more]


def limited(store: Store, run: Run, reasons: list[Reason], *, far: bool = False) -> list[Reason]:
    """The same, with the races and time limits that the nodes are in; see `limits_of`."""
    rows = [row for row in store.nodes(run.run_id) if (row.around or {}).get("blocks")]
    if not rows:
        return reasons
    known, due = {(row.node, row.iteration): row for row in rows}, timer_dues(store, run)

    def one(reason: Reason) -> Reason:
        row = known.get((reason.node, reason.iteration))
        if row is None or reason.data.get("runId") or not (far or reason.kind in ("timer", "approval", "event")):
            return reason
        limits = limits_of(rows, due, row, far=far)
        return replace(reason, text=reason.text + limits.text, data=reason.data | limits.data)

    return [one(reason) for reason in reasons]


ABOUT_THE_RUN: Final = ("pause", "code", "old-code", "cancel", "worker", "plan")


def why_node(store: Store, run: Run, row: NodeRow, *, has_worker: bool, code: RunCode | None = None) -> list[Reason]:
    """What one node waits for or is at, and what keeps its run from going on; nothing for a node that is over."""
    if row.state not in OPEN_STATES or run.status not in OPEN_STATUSES:
        return []
    place = row.node, row.iteration
    own = [*people(store, run, place), *events(store, run, place), *work(store, run, place)]
    if not own and row.state == "pending":
        own = held_node(Standing.of(store, run), row)
    whole = open_run(store, run, has_worker, code).reasons
    return [*limited(store, run, own[:1], far=True), *own[1:], *(one for one in whole if one.kind in ABOUT_THE_RUN)]


def old_code(run: Run, held: RunCode | None) -> list[Reason]:
    """The run is pinned to code that the file does not hold any more, and nobody here hosts it."""
    if held is None or held.standing != "kept":
        return []
    text = f"It goes by the code {run.digest[:12]}. {now(run.source)}, and nobody here hosts the old one."
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
    "cap": "a slot",
    "budget": "tokens or money",
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
    note = f': "{found.note}".' if found.note else "."
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


def continued(store: Store, run: Run) -> str:
    return f"Nothing is waited for: {how_it_ended(store, run, 'why RUN')}."


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


AT_WORK: Final = ("run", "child", "subflow", "timer", "turn")


def work(store: Store, run: Run, only: Place | None = None) -> list[Reason]:
    """What is in flight: tasks whose body has begun, tasks that wait for a worker or for their backoff, timers."""
    nodes = {(row.node, row.iteration): row for row in store.nodes(run.run_id)}
    waits = {(row.node, row.iteration) for row in open_events(nodes.values())}
    open_rows = [row for row in store.open_commands(run.run_id) if row.command.kind in AT_WORK]
    open_rows = [row for row in open_rows if place_of(row) not in waits and only in (None, place_of(row))]
    open_rows = [row for row in open_rows if row.command.kind != "timer" or not row.command.attempt]  # see `people`
    found: list[Reason] = []
    for row in open_rows[:MOST_NODES]:
        found += in_flight(store, run, row, nodes.get(place_of(row)))
    if len(open_rows) > MOST_NODES:
        found.append(Reason("more", f"... and {len(open_rows) - MOST_NODES} more."))
    return found


def place_of(row: OpenCommandRow) -> Place:
    return row.command.node, row.command.iteration


def in_flight(store: Store, run: Run, row: OpenCommandRow, node: NodeRow | None) -> list[Reason]:
    match row.command.kind:
        case "subflow":
            return subflow(store, run, row, node)
        case "turn":
            return [turn(store, run, row)]
        case "timer":
            return [timer(row, node)]
        case _:
            return [task(store, run, row, node)]


def subflow(store: Store, run: Run, row: OpenCommandRow, node: NodeRow | None) -> list[Reason]:
    """The child run, and what that waits for itself."""
    child = child_of(store, run.run_id, row)
    if child is None:
        return [task(store, run, row, node)]
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
