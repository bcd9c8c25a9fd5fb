"""What an open run is at, or waits for, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.engine.frame import NodeRow
from smithers.engine.state import OPEN_STATUSES, QUEUED
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.approvals import pending
from smithers.views.asking import title_of
from smithers.views.children import child_of
from smithers.views.nodes import named
from smithers.views.times import now_ms, span
from smithers.views.turns import place_in

KINDS = ("run", "child", "subflow")


@dataclass(frozen=True, slots=True)
class Step:
    """`path` is the first node that is at work or waits, with that of its child run: `part > check +2`."""

    path: str = ""
    detail: str = ""
    """What it waits for: a title, an event, a time, a queue."""
    asked: tuple[str, ...] = ()
    """Nodes that ask people while others are at work."""

    @property
    def told(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return self.path + detail + (f"; asks {', '.join(self.asked)}" if self.asked else "")


def step_of(store: Store, run: Run) -> Step:
    """Its first open command, with that of its child run; or else what it waits for."""
    if run.status not in OPEN_STATUSES:
        return Step()
    at_work = [row for row in store.open_commands(run.run_id) if row.command.kind in KINDS]
    if not at_work:
        return waiting_step(store, run)
    asked = tuple(named(row.node, row.iteration) for row in pending(store, run.run_id))
    below = child_of(store, run.run_id, at_work[0]) if at_work[0].command.kind == "subflow" else None
    inner = step_of(store, below) if below is not None else Step()
    path = " > ".join(filter(None, (at_work[0].command.node, inner.path)))
    return Step(counted(path, len(at_work)), inner.detail, asked + inner.asked)


def waiting_step(store: Store, run: Run) -> Step:
    """Of several that wait for different things, the first that waits for what the run's status says."""
    waiting = [row for row in store.nodes(run.run_id) if row.state.startswith("waiting")]
    first = next((row for row in waiting if row.state == run.status), waiting[0] if waiting else None)
    return Step() if first is None else Step(counted(first.node, len(waiting)), waited_for(store, run, first))


def waited_for(store: Store, run: Run, row: NodeRow) -> str:
    detail = row.detail or {}
    match row.state:
        case "waiting-approval":
            title = title_of(row)
            return f'"{title}"' if title != row.node else ""
        case "waiting-event":
            return f"event {detail.get('event', '')}"
        case "waiting-timer":
            rows = store.open_commands(run.run_id)
            due = [
                one.command.due_ms
                for one in rows
                if (one.command.node, one.command.iteration) == (row.node, row.iteration)
            ]
            return f"{span(max(0, due[0] - now_ms()))} left" if due else ""
        case _ if row.state == QUEUED:
            return place_in(store, str(detail.get("queue", "")), run.run_id, row.node, row.iteration).told
        case _:
            return ""


def counted(first: str, all_of_them: int) -> str:
    return first + (f" +{all_of_them - 1}" if all_of_them > 1 else "")
