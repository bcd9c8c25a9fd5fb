"""Another run that uses the same queues: it takes slots, gives them back, and waits for those of the story's run.

It is carried on by whole plans and ends of tasks. What may happen to a run at any of its points, the story's run shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from smithers import Child, Context, Parallel, Queue, Sequence, Task, workflow
from smithers.engine.state import FINAL
from smithers.store.records import Append, NewRun
from smithers.temporal import facts
from smithers.temporal.plans import Plans
from tests.simulation import acts
from tests.simulation.invariants import Broken
from tests.simulation.processes import DIGEST, Code
from tests.simulation.watched import WatchedStore
from tests.unit.engine.trees import Out, work

ID: Final = "n"
QUEUES: Final = ("narrow", "wide")
MOST_STEPS: Final = 100
WIDE: Final = Queue("wide", 2)


def task(id: str, queue: str | Queue) -> Child:
    return Task(id, output=Out, queue=queue, retries=1, continue_on_fail=True)[work]


@workflow
def crowd(ctx: Context[Any]) -> Child:
    return Parallel[
        Sequence[task("n1", "narrow"), task("n2", WIDE), task("n3", "narrow")],
        Sequence[task("n4", WIDE), task("n5", "narrow")],
        task("n6", WIDE),
    ]


@dataclass(slots=True, eq=False)
class Neighbour:
    store: WatchedStore
    dice: Random
    ring: Callable[[], None]
    """Wakes the story's run."""
    due: bool = True
    """A slot has been given to it, and no plan knows."""
    plans: Plans = field(init=False)
    running: list[int] = field(default_factory=list[int])
    """Numbers of its tasks at work, when `looked` was the store's count of changes."""
    looked: int = -1
    checked: int = -1

    def begin(self) -> None:
        self.plans = Plans(self.store, Code(crowd), render_s=1e9)
        self.store.create_run(NewRun(ID, crowd.name, {}, DIGEST, "flow.py"))
        self.store.on_turn = self.turn

    def turn(self, run_id: str) -> None:
        if run_id == ID:
            self.due = True
        elif self.dice.random() < 0.9:
            self.ring()

    @property
    def is_over(self) -> bool:
        return self.store.run(ID).status in FINAL

    @property
    def can_go_on(self) -> bool:
        return self.due or bool(self.at_work())

    def at_work(self) -> list[int]:
        if self.looked != self.store.changes:
            self.running = [row.command.n for row in self.store.open_commands(ID) if row.command.kind == "run"]
            self.looked = self.store.changes
        return self.running

    def go_on(self) -> None:
        """One task ends, if one is at work; then comes a plan."""
        running = self.at_work()
        if running and not self.due:
            command = self.store.command(ID, self.dice.choice(running))[0].command
            fails = self.dice.random() < 0.2
            end = acts.failure(retryable=True) if fails else {"outcome": "finished", "output": {"n": 1}, "ms": 1}
            self.store.append(Append(ID, (facts.ended(command, end),), epoch=1))
        self.due = False
        with self.plans.locked(ID, None) as known:
            self.plans.plan_all(known, 0, 1)

    def check_slots(self) -> None:
        """No more tasks have slots than the queue has."""
        if self.checked == self.store.changes:
            return
        self.checked = self.store.changes
        for queue in QUEUES:
            held = [ticket for ticket in self.store.tickets(queue) if ticket.held]
            if len(held) > min((ticket.limit for ticket in held), default=0):
                raise Broken(f"{len(held)} have a slot of {queue!r}: {held}")

    def finish(self) -> None:
        """The story is over, and nobody holds a slot for ever: it comes to its end."""
        for _ in range(MOST_STEPS):
            if self.is_over:
                return
            if not self.can_go_on:
                raise Broken(f"the neighbour waits for ever: {[self.store.tickets(queue) for queue in QUEUES]}")
            self.go_on()
            self.check_slots()
        raise Broken(f"the neighbour is {self.store.run(ID).status} after {MOST_STEPS} steps")
