"""A step carries out one numbered command, stores what happened, plans what follows, and says what it owns.

The idea
    A step is a Temporal activity, so it may be delivered again at any moment: after a crash, after a lost answer, or
    while its first delivery still runs on a machine that was asleep. So it looks before it acts, and everything it does
    is a transaction on the run's log that can only happen once:

        look     is my command open? is there a claim, and does its body still run? (`claims.py`)
        claim    "the body of command n begins for the k-th time": stored before the body begins
        body     the author's code, on a thread of its own (`running.py`), or alone in a process after a death
        ended    the fact; its key holds node, iteration and attempt, and it closes the command
        plan     unless a frame covers the fact already (`plans.py`)
        answer   the open commands that this step owns

    A second delivery goes the same way and finds most of it done.

Three paths through the store
    - Nothing else is in flight: fact, frame, and in a burst the claim of the next task, in one transaction, made on the
      condition that the log still ends where the planner stands. One full sync per task.
    - Others are in flight: the fact alone, at once, without any lock; then one step at a time plans for all facts that
      wait. Whoever finds its fact covered just answers.
    - The step of a child workflow stores its fact and rings. It never plans: its worker may hold other code.

Bursts
    Where the plan asks only for short work that has nothing to wait for, the step goes on with it itself: it owns those
    commands, so after a crash a redelivery of this step finds the open claim and finishes it. A burst ends when the
    plan wants something else (a timer, a long task, a person), when somebody else has written, when its claim is not
    the newest any more, or after a second: its length is what a waking signal may have to wait for. It goes on only in
    the one transaction, so that the log shows every step of it; comparing Temporal's attempt numbers would not do, as
    they begin again at 1 after a continue-as-new.

What a step returns
    The open commands it owns, and those of the frame that covers its own fact, whoever planned it: a delivery that
    Temporal has given up may have planned for us, and nobody listens to its answer. The driver knows which of them it
    has already.

Failures
    The author's errors are facts. Rendering that fails is stored as `render_failed` next to the fact, and the run waits
    for code. A store that is away raises `StoreUnavailable` and Temporal delivers again, with a growing pause; a result
    waits meanwhile in memory and, from a second of work on, on disk. A plan that takes its process with it is counted
    on disk by later deliveries, and becomes `render_failed` as well.

Tried and left: one transaction for everything including parallel tasks (each completion then waits for the plan of the
one before it); claims in the frame's transaction for all commands (a claim would no longer say that a body began).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from smithers.engine.command import ENDING, Command
from smithers.engine.entry import Fact, Json, OpenCommand, OpenRun, claim_key, ended_key
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.frame import Plan
from smithers.engine.judge import MOST_DEATHS
from smithers.errors import CommandNotFound, KilledWorker, RenderError, RunNotFound, SmithersError, StaleEpoch, TaskTimeout
from smithers.flow.body import TaskBody
from smithers.flow.task_context import CancelFlag, LineSink, TaskContext
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.temporal.claims import Begin, Claims, Over, mark
from smithers.temporal.failure import error_of
from smithers.temporal.order import FETCH, STALE, Answer, Carried, Done, Order, code_queue
from smithers.temporal.pace import Pace
from smithers.temporal.plans import FINAL, Plans, RunPlans, carried
from smithers.temporal.running import BodyTable, Ended, Running
from smithers.temporal.spool import Spool

SPOOL_MS: Final = 1000
"""Work that took longer is kept on disk before anything else is tried."""


class HandOver(Exception):
    """This worker shuts down: the command is to be delivered to another one, now."""


class BodyDied(Exception):
    """The process in which a body ran alone is gone. The worker is not."""


class Bodies(Protocol):
    """Runs the author's code."""

    def run(self, body: TaskBody, context: TaskContext, command: Command, *, alone: bool) -> object:
        """The output as JSON. `alone` is in a process of its own. Raises whatever the body raises, or `BodyDied`."""
        ...

    def sink(self, run_id: str, command: Command) -> LineSink: ...


@dataclass(frozen=True, slots=True)
class Settings:
    burst_s: float = 1.0
    """How long a step goes on with work that it planned itself; 0 is not at all."""
    render_s: float = 10.0
    grace_s: float = 5.0
    """How long a body may take no notice of its cancel flag before the step goes on without it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that Temporal handed us an order."""

    worker: str
    """Identity of this process."""
    driver: str = ""
    """Temporal run id."""
    attempt: int = 1
    superseded: Callable[[], bool] = lambda: False
    """Whether Temporal has given this delivery up, as far as we were told."""
    stopping: Callable[[], bool] = lambda: False
    """Whether this worker shuts down."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The steps of one project and one digest in this process."""

    project: str
    store: Store
    bodies: Bodies
    table: BodyTable
    spool: Spool
    ring: Callable[[str], None]
    plans: Plans | None = None
    """None in a worker without the code: it can append and read, and says that the plan must be made elsewhere."""
    settings: Settings = Settings()
    pace: Pace = field(default_factory=Pace)

    def run(self, order: Order, delivery: Delivery) -> Answer:
        """Raises `HandOver` and `StoreUnavailable`, after which the same order is to be delivered again."""
        try:
            step = Step(self, order, delivery)
            return step.fetch() if order.n == FETCH else step.carry_out()
        except (StaleEpoch, RunNotFound, CommandNotFound):
            return Answer(done=STALE)


class Step:
    """One delivery of one order."""

    def __init__(self, steps: Steps, order: Order, delivery: Delivery) -> None:
        self.steps = steps
        self.store = steps.store
        self.order = order
        self.delivery = delivery
        self.run: RunPlans | None = steps.plans.of(order.run) if steps.plans is not None and not order.child else None
        self.careful = delivery.attempt > 1
        """An earlier delivery ended without an answer: facts are stored before anything is planned."""
        self.began = time.monotonic()
        self.mine = 0
        """Position of our last fact, which a frame must cover before we answer."""
        self.owned: tuple[Carried, ...] | None = None
        """The open commands we own, where that is known without asking the store."""
        self.queue: deque[Command] = deque()
        """Work of this burst that has no claim yet."""

    # A fetch

    def fetch(self) -> Answer:
        run = self.store.run(self.order.run)
        if run.epoch != self.order.epoch:
            return Answer(done=STALE)
        self.report()
        if self.order.child:
            self.steps.ring(self.order.run)
            return Answer()
        if run.status in FINAL and not self.plan_is_due(run):
            return Answer(done=final(run.status), queue=self.queue_of(run))
        elsewhere = self.plan_is_due(run) and not self.plan(run.digest)
        run = self.store.run(self.order.run)
        rows = self.store.open_commands(self.order.run, above=self.order.above)
        done = final(run.status) if any(row.command.kind in ENDING for row in rows) else ""
        commands = tuple(Carried.of(row) for row in rows)
        return Answer(commands, done, self.queue_of(run), elsewhere and run.status not in FINAL)

    def report(self) -> None:
        """Appends what the driver has seen: lost commands, a native cancel, native signals."""
        facts: list[Fact] = []
        for n in self.order.settle:
            facts += self.settlement(n)
        if self.order.cancel:
            facts.append(Fact("cancel", "cancel", {"by": "temporal", "reason": "cancelled in Temporal"}, OpenRun()))
        for signal in self.order.signals:
            data = {"name": signal.name, "payload": signal.value}
            facts.append(Fact("signal", f"signal:{signal.name}:{signal.key}", data, OpenRun()))
        if facts:
            self.append(*facts)

    def settlement(self, n: int) -> list[Fact]:
        """Closes a command that ended without an answer, and those that its step was bursting."""
        facts: list[Fact] = []
        owned = self.store.open_commands(self.order.run, owner=n)
        row, is_open = self.store.command(self.order.run, n)
        for command in ([row.command] if is_open else []) + [row.command for row in owned]:
            claims = self.claims(command).read()
            if command.n != n and not (claims and claims[-1]["owner"] == n and claims[-1]["n"] == command.n):
                continue
            why = "its activity ended without an answer"
            if claims and claims[-1]["n"] == command.n:
                facts.append(mark("died", claims[-1], why))
            about = {"n": command.n, "node": command.node, "iteration": command.iteration, "why": why}
            facts.append(Fact("settled", f"settled:{command.n}", about, OpenCommand(command.n)))
        return facts

    def plan_is_due(self, run: Run) -> bool:
        later = self.store.entries(run.run_id, after=run.planned)
        return any(entry.kind in UNPLANNED_KINDS for entry in later)

    def queue_of(self, run: Run) -> str:
        return code_queue(self.steps.project, run.digest)

    # A command

    def carry_out(self) -> Answer:
        row, is_open = self.store.command(self.order.run, self.order.n)
        if row.epoch > self.order.epoch:
            return Answer(done=STALE)
        command = row.command if is_open else self.unfinished()
        nth = 0
        while command is not None:
            command, nth = self.carry_out_one(command, nth)
        if self.order.child:
            self.steps.ring(self.order.run)
            return Answer()
        return self.reply()

    def unfinished(self) -> Command | None:
        """What an earlier delivery of this step was bursting when it ended."""
        for row in self.store.open_commands(self.order.run, owner=self.order.n):
            claims = self.claims(row.command).read()
            if claims and claims[-1]["owner"] == self.order.n and claims[-1]["n"] == row.command.n:
                self.careful = True
                return self.store.command(self.order.run, row.command.n)[0].command
        return None

    def carry_out_one(self, command: Command, nth: int) -> tuple[Command | None, int]:
        """Returns the next command of the burst with its claim, or None. `nth` is 0 where nothing is claimed yet."""
        if command.kind == "timer":
            about = {"n": command.n, "node": command.node, "iteration": command.iteration}
            self.append(Fact("fired", f"fired:{command.n}", about, OpenCommand(command.n)))
            return None, 0
        started = self.start(command, nth, 0) if nth else self.begin(command)
        if started is None:
            return None, 0
        ended = started if isinstance(started, dict) else self.wait_for(started)
        nth = 0 if isinstance(started, dict) else started.nth
        next_one = self.end(command, nth, ended)
        if not isinstance(started, dict):
            self.steps.table.forget(started)
        return next_one, 1

    def claims(self, command: Command) -> Claims:
        steps, order, delivery = self.steps, self.order, self.delivery
        return Claims(
            self.store, steps.table, steps.spool, order.run, command, order.epoch, delivery.worker, delivery.superseded
        )

    def begin(self, command: Command) -> Running | Ended | None:
        """Claims and starts the body, or finds it running, or finds its result. None if it is over already."""
        found = Begin(1, 0) if not self.careful else self.claims(command).look()
        while isinstance(found, Begin):
            if found.deaths >= MOST_DEATHS:
                return killed()
            if self.is_cancelling(command):
                return {"outcome": "cancelled", "ms": 0}
            self.wait_for_others(command)
            outcome = self.append(self.claim(command, found.nth))
            if outcome == "stored":
                return self.start(command, found.nth, found.deaths)
            if outcome == "rejected":
                return None
            self.careful = True
            found = self.claims(command).look()
        return None if isinstance(found, Over) else found

    def claim(self, command: Command, nth: int) -> Fact:
        c, order, delivery = command, self.order, self.delivery
        data: Json = {
            "n": c.n,
            "node": c.node,
            "iteration": c.iteration,
            "attempt": c.attempt,
            "nth": nth,
            "owner": order.n,
            "driver": delivery.driver,
            "delivery": delivery.attempt,
            "worker": delivery.worker,
        }
        return Fact("claim", claim_key(c.node, c.iteration, c.attempt, nth), data, OpenCommand(c.n, closes=False))

    def is_cancelling(self, command: Command) -> bool:
        """Read from the store only where a cancel can have come first: a first delivery follows its plan at once."""
        if not self.careful and not self.order.child:
            return False
        return self.store.node(self.order.run, command.node, command.iteration).state in ("cancelling", "cancelled")

    def wait_for_others(self, command: Command) -> None:
        """Until bodies of earlier attempts have returned: two attempts of one task never run at the same time."""
        for other in self.steps.table.others(self.order.run, command):
            other.stop("cancel")
            while not other.errand.wait(0.25):
                if self.delivery.stopping():
                    raise HandOver

    # The body

    def start(self, command: Command, nth: int, deaths: int) -> Running:
        steps = self.steps
        flag = CancelFlag()
        context = TaskContext(
            self.order.run,
            command.node,
            command.iteration,
            command.attempt,
            nth,
            datetime.now(UTC) + timedelta(milliseconds=command.timeout_ms) if command.timeout_ms else None,
            lambda: datetime.now(UTC),
            flag,
            steps.bodies.sink(self.order.run, command),
        )
        body = self.body(command)
        alone = deaths > 0 or bool((command.payload or {}).get("isolated"))

        def work() -> Ended:
            began = time.perf_counter()
            ended = outcome_of(lambda: steps.bodies.run(body(), context, command, alone=alone), flag)
            ended["ms"] = round((time.perf_counter() - began) * 1000)
            return ended

        return steps.table.start(self.order.run, command, nth, flag, work)

    def body(self, command: Command) -> Callable[[], TaskBody]:
        plans = self.steps.plans
        if plans is None:
            raise RenderError("This worker does not hold the run's code.")
        run = plans.of(self.order.run)
        return lambda: plans.body(run, command.node, command.iteration)

    def wait_for(self, running: Running) -> Ended:
        """Blocks until the body has returned, or the step is to go on without it."""
        running.watch(self.steps.settings.grace_s)
        ended = running.outcome()
        reason = running.flag.reason
        if ended is not None and ended["outcome"] == "died":
            self.append(mark("died", self.claim(running.command, running.nth).data, ended["why"]))
            again = self.begin_again(running)
            return again
        if reason == "shutdown" and (ended is None or ended["outcome"] == "stopped"):
            why = "its worker shuts down"
            self.append(mark("released", self.claim(running.command, running.nth).data, why))
            self.steps.table.forget(running)
            raise HandOver
        if ended is None or ended["outcome"] == "stopped":
            return stopped(reason == "deadline", running)
        if ended["ms"] >= SPOOL_MS:
            self.steps.spool.put(self.order.run, running.n, running.command.attempt, ended)
        return ended

    def begin_again(self, running: Running) -> Ended:
        """After a body took the process in which it ran alone with it."""
        self.steps.table.forget(running)
        self.careful = True
        found = self.begin(running.command)
        if found is None:
            return {"outcome": "cancelled", "ms": 0}
        return found if isinstance(found, dict) else self.wait_for(found)

    # The fact

    def end(self, command: Command, nth: int, ended: Ended) -> Command | None:
        """Stores the end of a body, with its plan where that is possible. Returns the next command of the burst."""
        key = ended_key(command.node, command.iteration, command.attempt)
        about = {"n": command.n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}
        fact = Fact("ended", key, {**about, **ended}, OpenCommand(command.n))
        self.steps.pace.note(command, ended.get("ms", 0))
        self.owned = None
        try:
            with self.lock():
                next_one = self.end_together(command, nth, fact)
                if self.mine == 0:
                    self.append(fact)
        except SmithersError:
            if not self.steps.spool.get(self.order.run, command.n, command.attempt):
                self.steps.spool.put(self.order.run, command.n, command.attempt, ended)
            raise
        self.steps.spool.drop(self.order.run, command.n, command.attempt)
        return next_one
