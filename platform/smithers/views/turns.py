"""Where a task stands in a queue that runs share: who has the slots, and who comes before it."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.store.interface import Store
from smithers.store.records import Ticket


@dataclass(frozen=True, slots=True)
class Place:
    queue: str
    limit: int
    """How many of the queue may run at once."""
    holders: tuple[Ticket, ...]
    before: tuple[Ticket, ...]
    """Those that wait, and whose turn comes first."""
    since_ms: int = 0
    """When it began to wait; 0 where it does not wait (any more)."""

    @property
    def ahead(self) -> tuple[Ticket, ...]:
        return self.holders + self.before

    @property
    def told(self) -> str:
        """`queue deploys, behind r1 +2`: whose end it waits for first, and how many more there are."""
        others = len(self.ahead) - 1
        behind = f", behind {self.ahead[0].run_id}" + (f" +{others}" if others else "") if self.ahead else ""
        return f"queue {self.queue}{behind}"


def place_in(store: Store, queue: str, run_id: str, node: str, iteration: str) -> Place:
    """Of a node that waits in the queue."""
    tickets = store.tickets(queue)
    holders = tuple(one for one in tickets if one.held)
    waiting = tickets[len(holders) :]
    at = [at for at, one in enumerate(waiting) if (one.run_id, one.node, one.iteration) == (run_id, node, iteration)]
    before, since_ms = (waiting[: at[0]], waiting[at[0]].since_ms) if at else ([], 0)
    return Place(queue, min((one.limit for one in tickets), default=1), holders, tuple(before), since_ms)
