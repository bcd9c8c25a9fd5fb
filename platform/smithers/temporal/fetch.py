"""A fetch: the step without a command, and the only way back after anything was lost.

It appends what the driver reports, plans what is not planned, and returns every open command. What it returns must be
the truth at one moment at which every fact was planned: a fact that was stored before the commands were read, and
planned after, would hide the commands that follow from it, and if its own step belonged to a driver that is gone,
nobody would ever bring them. So it reads the facts behind the last frame after the commands, and all again if there
are any.

Where no step was in flight when it was sent, and the first plan asks for nothing but work that is known to be short, it
goes on with that as a step would: a decision then costs one round with Temporal and not two. Its claim is stored with
the frame. A fetch that is delivered again leaves such work to steps of their own, which find the claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from smithers.engine.command import Command
from smithers.engine.entry import Fact
from smithers.engine.fold import UNPLANNED_KINDS
from smithers.engine.frame import Plan
from smithers.engine.plan import Planner
from smithers.engine.state import PAUSED
from smithers.errors import CommandNotFound, RunNotFound, StaleEpoch
from smithers.store import faults
from smithers.store.records import Append, OpenCommandRow, Run
from smithers.store.successors import current, root_launched
from smithers.temporal import facts
from smithers.temporal.attempt import claimant
from smithers.temporal.claims import read_claims
from smithers.temporal.order import FETCH, STALE, Answer, Carried, Order, code_queue
from smithers.temporal.plans import FINAL, Onward
from smithers.temporal.step import MOST_LOOKS, Step, answer_of
from smithers.temporal.subflows import ring_onward
from smithers.temporal.workshop import Delivery, Workshop

ONWARD_S: Final = 0.1
"""How long a fetch goes on with work: it has one of few slots."""


@dataclass(slots=True, eq=False)
class Fetch(Step):
    onward: Onward | None = field(init=False, default=None)

    def answer(self) -> Answer:
        self.current()
        if self.order.alone and not self.careful:
            self.onward = Onward(self.claim_of)
        self.report()
        if self.order.child:
            self.shop.ring(self.order.run)
            return Answer()
        for _ in range(MOST_LOOKS):
            planned = self.plan_everything()
            self.go_on()
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
        if command.kind == "subflow":  # its child lives, whatever became of the step that has launched it
            self.shop.ring(current(self.store, self.order.run, root_launched(claims[-1])).run_id)
            return []
        last = claims[-1]
        if last["since"] > self.order.since:
            return []
        still = facts.newest(command, last["nth"], closes=False)
        ended = [facts.worker_lost(last, why, still)] if last["n"] == command.n else []
        return [*ended, facts.settled(command, last["nth"], why)]

    def unplanned(self, run: Run) -> bool:
        """Whether a fact stands behind the frame that `run` had last, and may be planned: of a run that was over by
        then it never will be."""
        return run.status not in (PAUSED, *FINAL) and any(
            entry.kind in UNPLANNED_KINDS for entry in self.store.entries(run.run_id, after=run.planned)
        )

    def plan_everything(self) -> bool:
        """False if facts are left which this process cannot plan: it lacks the code, or rendering fails."""
        run = self.current()
        if not self.unplanned(run):
            return True
        self.hold(code_queue(self.shop.project, run.digest))
        if self.plans is None:
            return False
        with self.plans.locked(run.run_id, self.delivery.job) as known:
            if self.onward is None or not self.shop.onward.acquire(blocking=False):
                return self.plan(self.plans, known)
            try:
                planned = self.plans.plan_all(known, FETCH, self.order.epoch, self.onward)
                self.mine = known.covers
            finally:
                if not self.onward.claimed:
                    self.shop.onward.release()
                    self.onward = None
            return planned is not None

    # Going on

    def claim_of(self, planner: Planner, plan: Plan) -> Fact | None:
        """A claim on the first of the plan's commands, if they are all short work and nothing else is in flight."""
        self.waiting = list(plan.commands)
        if planner.in_flight or plan.status in FINAL or not self.bursts(self.waiting):
            return None
        return facts.claim(self.waiting[0], 1, claimant(self.order, self.delivery))

    def go_on(self) -> None:
        """Does what it has claimed, and what short work follows from that."""
        if self.onward is None or not self.onward.claimed:
            return
        self.onward = None
        command, self.waiting = self.waiting[0], self.waiting[1:]
        try:
            self.work_off(command, claimed=True)
        finally:
            self.shop.onward.release()

    def is_quick(self, candidates: Sequence[Command]) -> bool:
        """Only what is known to be short: the slots of fetches are few."""
        return all(map(self.shop.pace.is_short, candidates))

    @property
    def burst_s(self) -> float:
        return min(self.shop.settings.burst_s, ONWARD_S)

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
        found = kind(shop, order, delivery).answer()
        if found.done in FINAL:
            ring_onward(shop, order.run, found.done)
        return found
    except (RunNotFound, CommandNotFound):
        return Answer(done=STALE)
    except StaleEpoch:
        return Answer(done=STALE, epoch=shop.store.run(order.run).epoch)
