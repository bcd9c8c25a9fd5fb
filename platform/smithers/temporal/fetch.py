"""A fetch: the step without a command, and the only way back after anything was lost.

It appends what the driver reports, plans what is not planned, and returns every open command. What it returns must be
the truth at one moment at which every fact was planned: a fact that was stored before the commands were read, and
planned after, would hide the commands that follow from it, and if its own step belonged to a driver that is gone,
nobody would ever bring them. So it reads the facts behind the last frame after the commands, and all again if there
are any.
"""

from __future__ import annotations

from smithers.engine.command import Command
from smithers.engine.entry import Fact
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.errors import CommandNotFound, RunNotFound, StaleEpoch
from smithers.store import faults
from smithers.store.records import Append, OpenCommandRow, Run
from smithers.temporal import facts
from smithers.temporal.claims import read_claims
from smithers.temporal.order import FETCH, STALE, Answer, Carried, Order, code_queue
from smithers.temporal.step import MOST_LOOKS, Step, answer_of
from smithers.temporal.workshop import Delivery, Workshop


class Fetch(Step):
    def answer(self) -> Answer:
        self.current()
        self.report()
        if self.order.child:
            self.shop.ring(self.order.run)
            return Answer()
        for _ in range(MOST_LOOKS):
            planned = self.plan_everything()
            run = self.store.run(self.order.run)
            rows = self.store.open_commands(run.run_id, above=self.order.above)
            if not planned or not self.unplanned(run):
                return self.reply_of(run, rows, elsewhere=not planned and self.plans is None)
        self.shop.ring(self.order.run)
        run = self.current()
        return self.reply_of(run, self.store.open_commands(run.run_id, above=self.order.above), elsewhere=False)

    def report(self) -> None:
        """Appends what the driver says. What somebody has begun or ended in between is looked at again."""
        order = self.order
        news = [facts.cancelled_natively(order.cancel)] if order.cancel else []
        news += map(facts.signalled, order.signals)
        while True:
            lost = [fact for n in order.settle for fact in self.settlement(n)]
            if not lost and not news:
                return
            outcomes = self.store.append(Append(order.run, (*lost, *news), epoch=order.epoch)).outcomes
            if "rejected" not in outcomes[: len(lost)]:
                return
            news.clear()

    def settlement(self, n: int) -> list[Fact]:
        """Closes a command that ended without an answer, and those that its step was bursting."""
        row, is_open = self.store.command(self.order.run, n)
        owned = self.store.open_commands(self.order.run, owner=n)
        lost = [row.command] if is_open else []
        lost += [row.command for row in owned if self.is_claimed(row.command, n)]
        return [fact for command in lost for fact in self.settled(command)]

    def settled(self, command: Command) -> list[Fact]:
        """Nothing if a later driver has begun it: then this order comes too late, and the body is healthy.

        The store checks that nobody begins it before these facts are there.
        """
        why = "its activity ended without an answer"
        claims = read_claims(self.store, self.order.run, command)
        if not claims:
            return [facts.settled(command, 0, why)]
        last = claims[-1]
        if last["since"] > self.order.since:
            return []
        still = facts.newest(command, last["nth"], closes=False)
        ended = [facts.worker_lost(last, why, still)] if last["n"] == command.n else []
        return [*ended, facts.settled(command, last["nth"], why)]

    def unplanned(self, run: Run) -> bool:
        """Whether a fact stands behind the frame that `run` had last."""
        return any(entry.kind in UNPLANNED_KINDS for entry in self.store.entries(run.run_id, after=run.planned))

    def plan_everything(self) -> bool:
        """False if facts are left which this process cannot plan: it lacks the code, or rendering fails."""
        run = self.current()
        if not self.unplanned(run):
            return True
        self.hold(code_queue(self.shop.project, run.digest))
        if self.plans is None:
            return False
        with self.plans.locked(run.run_id, self.delivery.job) as known:
            return self.plan(self.plans, known)

    def reply_of(self, run: Run, rows: list[OpenCommandRow], elsewhere: bool) -> Answer:
        queue = code_queue(self.shop.project, run.digest)
        return answer_of(map(Carried.of, rows), run.status, queue, elsewhere=elsewhere)


def answer(shop: Workshop, order: Order, delivery: Delivery) -> Answer:
    """Carries out an order. Raises `HandOver` and `StoreUnavailable`, after which it is to be delivered again."""
    if faults.armed:
        faults.before("delivery", "fetch" if order.n == FETCH else "step")
    answered = carried_out(shop, order, delivery)
    if faults.armed:
        faults.after("delivery", "fetch" if order.n == FETCH else "step")
    return answered


def carried_out(shop: Workshop, order: Order, delivery: Delivery) -> Answer:
    kind = Fetch if order.n == FETCH else Step
    try:
        return kind(shop, order, delivery).answer()
    except (RunNotFound, CommandNotFound):
        return Answer(done=STALE)
    except StaleEpoch:
        return Answer(done=STALE, epoch=shop.store.run(order.run).epoch)
