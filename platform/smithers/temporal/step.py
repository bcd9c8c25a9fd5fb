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
      wait. Whoever finds its fact covered just answers. Ends of quick bodies go with the plan (`crowd.py`).
    - The step of a child workflow stores its fact and rings. It never plans: its worker may hold other code.

Bursts
    Where the plan asks only for short work that has nothing to wait for, the step goes on with it itself: it owns those
    commands, so after a crash a redelivery of this step finds the open claim and finishes it. A burst ends when the
    plan wants something else (a timer, a long task, a person), when somebody else has written, when its claim is not
    the newest any more, or after a second: its length is what a waking signal may have to wait for. It goes on only in
    the one transaction, so that the log shows every step of it; comparing Temporal's attempt numbers would not do, as
    they begin again at 1 after a continue-as-new.

What a step returns
    The open commands of the frame that covers its fact and of all later frames, whoever planned them: a delivery that
    Temporal has given up may have planned for us, and nobody listens to its answer. The driver knows which of them it
    has already. They are those that were open when the last frame was stored, a moment at which every fact was planned;
    this process knows them for runs that it has planned itself (`run_plans.py`), so the usual path reads nothing.
    (Found by exploring a model of the protocol: "the commands it owns" and "the frame that covers its fact" both leave
    commands behind that nobody returns.)

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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from smithers.engine.command import ENDING, Command, is_nudge
from smithers.engine.entry import Entry, Fact, taken_from
from smithers.engine.frame import Plan
from smithers.errors import RenderError, StaleEpoch, StoreError
from smithers.flow.body import TaskBody
from smithers.store import faults
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.temporal import facts
from smithers.temporal.attempt import Attempt
from smithers.temporal.claims import read_claims
from smithers.temporal.crowd import end_with_others
from smithers.temporal.order import Answer, Carried, Done, Order, code_queue
from smithers.temporal.plans import FINAL, Plans
from smithers.temporal.run_plans import RunPlans, carried
from smithers.temporal.running import Ended
from smithers.temporal.subflows import launch, stop
from smithers.temporal.workshop import Delivery, Workshop

UNKNOWN: Final = 0
QUICK_MS: Final = 10
MOST_LOOKS: Final = 20
"""How often a step reads again because others were writing. They are at work then, and answer for themselves."""
MOST_PLAN_DEATHS: Final = 3
"""How often a plan may take its process with it before the run waits for other code."""


@dataclass(slots=True, eq=False)
class Step:
    """One delivery of one order."""

    shop: Workshop
    order: Order
    delivery: Delivery
    store: Store = field(init=False)
    careful: bool = field(init=False)
    """An earlier delivery ended without an answer: look first, and store facts before anything is planned."""
    plans: Plans | None = field(init=False)
    began: float = field(init=False, default_factory=time.monotonic)
    mine: int = field(init=False, default=UNKNOWN)
    """Position of our last fact."""
    waiting: list[Command] = field(init=False, default_factory=list[Command])
    """Work of this burst that has no claim yet."""
    owned: tuple[Carried, ...] | None = field(init=False, default=None)
    """The open commands we own, where that is known without asking the store."""
    done: Done = field(init=False, default="")
    outdated: bool = field(init=False, default=False)
    """The run follows other code by now, and a body of ours could not begin. It is as if we did not hold the code."""

    def __post_init__(self) -> None:
        self.store = self.shop.store
        self.careful = self.delivery.attempt > 1 or self.delivery.again
        self.hold(self.order.code)

    def hold(self, code: str) -> None:
        self.plans = self.shop.codes.get(code)

    @property
    def digest(self) -> str:
        return "" if self.plans is None else self.plans.digest

    def answer(self) -> Answer:
        if self.careful:
            self.current()
        command = self.command_at_hand()
        if command is None:
            row, is_open = self.store.command(self.order.run, self.order.n)
            if self.plans is None and row.command.kind != "timer":
                return Answer(unheld=True)
            command = row.command if is_open else self.unfinished()
        self.work_off(command)
        if self.order.child:
            self.shop.ring(self.order.run)
            return Answer(unheld=self.outdated)
        return Answer(unheld=True) if self.outdated else self.reply()

    def command_at_hand(self) -> Command | None:
        """As this process has planned it. Whether it is still open the claim asks anyway."""
        return None if self.careful or self.plans is None else self.plans.of(self.order.run).commands.get(self.order.n)

    def current(self) -> Run:
        """Raises `StaleEpoch` if this step works for an older epoch."""
        run = self.store.run(self.order.run)
        if run.epoch != self.order.epoch:
            raise StaleEpoch
        return run

    def unfinished(self) -> Command | None:
        """What an earlier delivery of this step was bursting when it ended."""
        self.careful = True
        for row in self.store.open_commands(self.order.run, owner=self.order.n):
            if self.is_claimed(row.command, self.order.n):
                return self.store.command(self.order.run, row.command.n)[0].command
        return None

    def is_claimed(self, command: Command, by: int) -> bool:
        """Whether the newest claim on the command is that of step `by`."""
        claims = read_claims(self.store, self.order.run, command)
        return bool(claims) and claims[-1]["n"] == command.n and claims[-1]["owner"] == by

    def work_off(self, command: Command | None, *, claimed: bool = False) -> None:
        """Does a command, and what the burst goes on with. `claimed`: our claim on the first one is stored already."""
        while command is not None:
            kind = command.kind
            if faults.armed:
                faults.before("step", kind)
            command, claimed = self.carry_out(command, claimed), True
            if faults.armed:
                faults.after("step", kind)

    def carry_out(self, command: Command, claimed: bool) -> Command | None:
        """Does one command. Returns the next one of the burst, with our claim on it."""
        if command.kind == "timer":
            self.store_fact(facts.fired(command), keep_rejected=not is_nudge(command))
            return None
        if command.kind in ("subflow", "stop"):
            self.mine = UNKNOWN
            if command.kind == "subflow":
                launch(self.shop, self.order, self.delivery, command)
            else:
                stop(self.shop, self.order, command)
            return None
        body = partial(self.body_of, command)
        attempt = Attempt(self.shop, self.order, self.delivery, command, body, self.digest, self.careful)
        ended = attempt.end(claimed=1 if claimed else 0)
        while ended is not None and attempt.rests_on is not None:
            if self.is_stored_unbegun(attempt, ended, attempt.rests_on):
                return None
            attempt.careful = True
            ended = attempt.end()
        self.careful = attempt.careful
        if ended is None:
            self.mine = UNKNOWN
            self.outdated = attempt.outdated
            return None
        if not taken_from(ended):
            self.shop.pace.note(command, ended["ms"])
        following = self.end(attempt, ended)
        attempt.forget()
        return following

    def is_stored_unbegun(self, attempt: Attempt, ended: Ended, nth: int) -> bool:
        """Stores an end for which no body was begun here, unless the command is closed. False where somebody has begun
        one after the `nth` claim: a delivery that Temporal has given up may still do that, and then it is looked at."""
        self.careful, self.owned = attempt.careful, None
        fact = replace(facts.ended(attempt.command, ended), needs=facts.newest(attempt.command, nth))
        outcome = self.store_fact(fact, keep_rejected=False)
        return outcome != "rejected" or not self.store.command(self.order.run, attempt.command.n)[1]

    def body_of(self, command: Command) -> TaskBody:
        if self.plans is None:
            raise StoreError(f"Step {self.order.n} came to a worker without the run's code.")
        return self.plans.body(self.order.run, command, self.delivery.job)

    # The end of a body

    def end(self, attempt: Attempt, ended: Ended) -> Command | None:
        """Stores the end of a body, with its plan where that can be. Returns the next command of the burst."""
        command, spool, run_id = attempt.command, self.shop.spool, self.order.run
        fact = facts.ended(command, ended)
        self.owned = None
        try:
            done, following = self.end_together(attempt, fact)
            if not done:
                self.store_fact(fact)
        except StaleEpoch:
            raise
        except StoreError:
            spool.put(run_id, command.n, command.attempt, ended)
            raise
        if attempt.spooled or attempt.careful:
            spool.drop(run_id, command.n, command.attempt)
        return following

    def end_together(self, attempt: Attempt, fact: Fact) -> tuple[bool, Command | None]:
        """One transaction for the fact, its frame and the next claim, where nothing else is in flight in this run."""
        plans = self.plans
        if plans is None or self.order.child or self.careful:
            return False, None
        known = plans.of(self.order.run).planner
        if known is not None and known.in_flight > 1 + len(self.waiting):  # the usual case in parallel work
            return self.end_in_a_crowd(plans, fact), None
        with plans.locked(self.order.run, self.delivery.job) as run:
            if not self.is_alone(run, plans, fact, attempt.claim):
                return False, None
            candidates: list[Command] = []

            def claim_next(plan: Plan) -> Fact | None:
                candidates.extend(self.waiting)
                candidates.extend(plan.commands)
                go_on = self.goes_on(run, attempt, plan, candidates)
                return facts.claim(candidates[0], 1, attempt.by()) if go_on else None

            result = plans.together(run, (fact,), self.order.n, self.order.epoch, claim_next)
        self.note_end(fact, result.outcomes[0], result.positions[0])
        if result.plan is None:
            return True, None
        if result.claimed:
            self.waiting = candidates[1:]
            return True, candidates[0]
        self.own(result.plan, result.at_ms)
        return True, None

    def end_in_a_crowd(self, plans: Plans, fact: Fact) -> bool:
        """What took long is stored at once, without waiting for any lock; what was quick goes with others'."""
        if fact.data["ms"] >= QUICK_MS:
            return False
        offer = end_with_others(plans, self.order.run, self.delivery.job, fact, self.order.n, self.order.epoch)
        self.note_end(fact, offer.outcome, offer.position)
        return True

    def is_alone(self, run: RunPlans, plans: Plans, fact: Fact, claim: Sequence[Entry]) -> bool:
        """Whether everything in flight is ours, and the planner stands at the end of the log.

        After quick work it does, once it has taken in our own claim: nobody will have written since. If somebody has,
        the next transaction is refused, which costs a new planner.
        """
        quick = fact.data["ms"] < QUICK_MS and (self.mine != UNKNOWN or plans.take_in(run, claim))
        try:
            planner = run.planner if run.planner is not None and quick else plans.caught_up(run)
        except RenderError:
            return False
        return fact.data["n"] in planner.state.by_command and planner.in_flight == 1 + len(self.waiting)

    def goes_on(self, run: RunPlans, attempt: Attempt, plan: Plan, candidates: list[Command]) -> bool:
        """Whether the burst goes on with the first of the candidates."""
        if plan.status in FINAL or run.claims.get(attempt.command.n, attempt.nth) != attempt.nth:
            return False
        return self.bursts(candidates)

    def bursts(self, candidates: Sequence[Command]) -> bool:
        """Whether this is work to be done one after another here, and there is time left for it."""
        if not candidates or self.burst_s <= 0 or time.monotonic() - self.began > self.burst_s:
            return False
        if self.delivery.stopping() or self.delivery.superseded():
            return False
        return all(command.kind == "run" and command.burst for command in candidates) and self.is_quick(candidates)

    def is_quick(self, candidates: Sequence[Command]) -> bool:
        pace = self.shop.pace
        return not pace.is_long(candidates[0]) if len(candidates) == 1 else all(map(pace.is_short, candidates))

    @property
    def burst_s(self) -> float:
        return self.shop.settings.burst_s

    def own(self, plan: Plan, at_ms: int) -> None:
        waiting = [Carried.from_command(c, self.order.n) for c in self.waiting if c.n not in plan.closed]
        self.owned = (*waiting, *carried(plan, self.order.n, at_ms))
        if plan.status in FINAL:
            self.done = final(plan.status)

    def store_fact(self, fact: Fact, *, keep_rejected: bool = True) -> str:
        """A reminder of what somebody has just answered need not be kept."""
        request = Append(self.order.run, (fact,), epoch=self.order.epoch, keep_rejected=keep_rejected, code=self.digest)
        appended = self.store.append(request)
        outcome = appended.outcomes[0]
        self.note_end(fact, outcome, appended.entries[0].seq if outcome == "stored" else 0)
        return outcome

    def note_end(self, fact: Fact, outcome: str, position: int) -> None:
        if outcome == "duplicate":
            same = self.store.entries_by_key(self.order.run, fact.key)
            position = next((entry.seq for entry in same if entry.key == fact.key), 0)
        self.mine = position

    # The answer

    def reply(self) -> Answer:
        if self.owned is not None:
            return Answer(self.owned, self.done)
        if self.plans is None:
            run = self.store.run(self.order.run)
            return Answer(queue=code_queue(self.shop.project, run.digest), elsewhere=True)
        with self.plans.locked(self.order.run, self.delivery.job) as known:
            is_covered = known.planner is not None and not self.careful and self.mine <= known.covers
            if not is_covered and not self.plan(self.plans, known):
                return self.reply_without_plan(self.plans.digest)
            planned = None if self.careful else known.answers_for(self.mine)
            if planned is not None and known.planner is not None:
                return answer_of(planned, known.planner.status)
            return self.reply_from_store(self.plans, known)

    def reply_from_store(self, plans: Plans, known: RunPlans) -> Answer:
        """What is open, read at a moment at which every fact is planned: all of it, if we do not know our fact."""
        for _ in range(MOST_LOOKS):
            commands = tuple(map(Carried.of, self.store.open_commands(self.order.run)))
            planner = plans.caught_up(known)
            # A fact that was stored before the commands were read, and planned after, would hide what follows.
            if not planner.due or planner.status in FINAL:
                known.open.learn(commands)
                above = 0 if self.careful or self.mine == UNKNOWN else known.before(self.mine)
                return answer_of((command for command in commands if command.n > above), planner.status)
            if not self.plan(plans, known):
                return self.reply_without_plan(plans.digest)
        self.shop.ring(self.order.run)
        return Answer()

    def plan(self, plans: Plans, run: RunPlans) -> bool:
        """Plans every fact. False where the run waits for other code. The caller holds the run's lock.

        Of plans that may take their process with them, deliveries are counted.
        """
        spool = self.shop.spool
        if not self.careful:
            return plans.plan_all(run, self.order.n, self.order.epoch) is not None
        if spool.begin_plan(self.order.run, self.order.n, plans.digest) > MOST_PLAN_DEATHS:
            plans.give_up(run, RenderError("Rendering took its process with it.", code="RENDER_DIED"), self.order.epoch)
            return False
        planner = plans.plan_all(run, self.order.n, self.order.epoch)
        spool.end_plan(self.order.run, self.order.n, plans.digest)
        return planner is not None

    def reply_without_plan(self, digest: str) -> Answer:
        run = self.store.run(self.order.run)
        queue = code_queue(self.shop.project, run.digest)
        commands = tuple(map(Carried.of, self.store.open_commands(run.run_id)))
        return answer_of(commands, run.status, queue, elsewhere=run.digest != digest)


def answer_of(open_ones: Iterable[Carried], status: str, queue: str = "", *, elsewhere: bool = False) -> Answer:
    """A run that was opened again still has the command that once ended it, until the next frame closes that. Who waits
    for a turn in a queue is nothing for a driver."""
    over = status in FINAL
    open_ones = (command for command in open_ones if command.kind != "turn")
    commands = tuple(command for command in open_ones if over or command.kind not in ENDING)
    return Answer(commands, final(status) if over else "", queue, elsewhere=elsewhere)


def final(status: str) -> Done:
    return status  # type: ignore[return-value]
