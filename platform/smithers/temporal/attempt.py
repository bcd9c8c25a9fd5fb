"""One attempt of one task, in this delivery: claim, body, end.

The claim comes before the body, the end after it; what lies between may happen more than once, and says so (`nth`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from signal import SIGTERM
from typing import Final, NoReturn

from smithers.engine.command import Command
from smithers.engine.deaths import MOST_DEATHS
from smithers.engine.entry import Entry, Fact, Json
from smithers.engine.reads import Misread
from smithers.engine.state import PAUSED
from smithers.errors import BodyDied, InvalidOutput, KilledWorker, RenderError, TaskError, TaskTimeout
from smithers.flow.body import TaskBody
from smithers.flow.stored import read_back
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Meter, Usage
from smithers.store import faults
from smithers.store.records import Append, Appended
from smithers.temporal import facts
from smithers.temporal.claims import Begin, Claims, Over
from smithers.temporal.order import Order
from smithers.temporal.running import Ended, Running
from smithers.temporal.workshop import Delivery, HandOver, Workshop

LOOK_EVERY_S: Final = 0.05
TOLD_S: Final = 1.0
"""How much later than one of its bodies a worker may learn that it is to shut down."""
SPOOL_MS: Final = 1000
"""The result of work that took longer is on disk before anything else is tried with it."""


@dataclass(slots=True, eq=False)
class Attempt:
    shop: Workshop
    order: Order
    delivery: Delivery
    command: Command
    body: Callable[[], TaskBody]
    """Called on the step's own thread, before the body begins. It may read the store."""
    digest: str
    """Of the code that the body belongs to."""
    careful: bool = False
    """Look for claims first. Without it, only when ours turns out to be there already."""
    running: Running | None = field(default=None, init=False)
    nth: int = field(default=0, init=False)
    claim: Sequence[Entry] = field(default=(), init=False)
    """Our last one, as it was stored."""
    spooled: bool = field(default=False, init=False)
    """Whether the result is on disk."""
    outdated: bool = field(default=False, init=False)
    """Whether the run follows other code by now: this body must not begin here."""
    before: Usage = field(default_factory=Usage, init=False)
    """What bodies of this attempt have reported that died meanwhile."""
    missed: str = field(default="", init=False)
    """Why an output that the cache has was not taken."""
    rests_on: int | None = field(default=None, init=False)
    """Of an end that was decided without a body: the newest claim that was seen, 0 for none. Nobody may have begun a
    body after that."""
    work: Callable[[], Ended] | None = field(default=None, init=False)
    """What is to be done on this thread; None where we attach to a body that runs already."""

    def end(self, claimed: int = 0) -> Ended | None:
        """Blocks until the attempt has ended; None if somebody else has ended it. `claimed` is a claim we hold.

        Raises `HandOver` when the worker shuts down. The body stays in the table until `forget`.
        """
        found = self.go_on(claimed) if claimed else self.begin()
        while isinstance(found, Running):
            self.running, self.nth = found, found.nth
            ended = self.come_to(found, found.wait() if self.work is None else found.run(self.work))
            self.work = None
            if ended["outcome"] != "died":
                return self.for_cache(self.accounted(ended))
            if self.is_told_to_end(ended):
                self.hand_over(found)
            self.append(facts.claim_ended("died", self.claimed(found.nth), str(ended["why"])))
            self.before += found.meter.total
            self.forget()
            self.careful = True
            found = self.begin()
        return found if found is None else self.for_cache(self.accounted(found))

    def forget(self) -> None:
        if self.running is not None:
            self.shop.table.forget(self.running)

    # The cache

    def cached(self) -> Ended | None:
        """The end of a task that need not run: an earlier run has produced its output, which still fits the model."""
        about = (self.command.payload or {}).get("cache")
        found = self.shop.store.cached(about["key"]) if about else None
        if about is None or found is None:
            return None
        try:
            model = self.body().task.output
        except RenderError:  # whoever begins the body says so
            return None
        try:
            output = read_back(model, found.output).model_dump(mode="json")
        except Exception as error:  # noqa: BLE001  a validator of the author's may raise anything
            self.missed = f"the output of run {found.run_id} does not fit {model.__name__} any more: {error}"
            return None
        hit: Json = {"run": found.run_id, "at_ms": found.stored_ms}
        return {"outcome": "finished", "output": output, "ms": 0, "cache": {**about, "hit": hit}}

    def for_cache(self, ended: Ended) -> Ended:
        """The end of a body, with the key under which its output is to be kept."""
        about = (self.command.payload or {}).get("cache")
        if about is None or "cache" in ended or ended["outcome"] != "finished":
            return ended
        return {**ended, "cache": {**about, "missed": self.missed}}

    # The claim

    def go_on(self, claimed: int) -> Running | Ended:
        """Begins a body whose claim is stored already."""
        self.nth = claimed
        return self.cached() or self.start(claimed, alone=self.is_alone(0))

    def begin(self) -> Running | Ended | None:
        found = self.claims().look() if self.careful else Begin(1, 0)
        self.rests_on = None
        while isinstance(found, Begin):
            if found.deaths >= MOST_DEATHS:
                self.rests_on = found.nth - 1
                return failed(killed(found), 0)
            if self.is_cancelling():
                self.rests_on = found.nth - 1
                return {"outcome": "cancelled", "ms": 0}
            cached = self.cached()
            if cached is not None:
                return cached
            self.wait_for_others()
            alone = self.is_alone(found.deaths)
            appended = self.append(facts.claim(self.command, found.nth, self.by(alone=alone)), synced=False)
            self.claim = appended.entries
            if self.claim:
                return self.start(found.nth, alone=alone)
            if appended.outcomes == ("rejected",) and self.is_refused(found.nth - 1):
                return None
            self.careful = True
            found = self.claims().look()
        return None if isinstance(found, Over) else found

    def is_refused(self, nth: int) -> bool:
        """Whether a command that may not begin is none of ours: it wants other code, it was closed by others, or put
        back because the run is paused.

        One that is put back comes again under another number once the run goes on. `nth` is the newest claim.
        """
        store, run_id = self.shop.store, self.order.run
        run = store.run(run_id)
        self.outdated = run.digest != self.digest
        if self.outdated:
            return True
        if run.status == PAUSED:
            self.append(facts.settled(self.command, nth, "the run is paused"))
        return not store.command(run_id, self.command.n)[1]

    def claims(self) -> Claims:
        shop, order, delivery = self.shop, self.order, self.delivery
        return Claims(
            shop.store,
            shop.table,
            shop.spool,
            order.run,
            self.command,
            order.epoch,
            delivery.worker,
            order.n,
            (order.since, delivery.attempt),
            delivery.superseded,
            delivery.stopping,
        )

    def is_alone(self, deaths: int) -> bool:
        """Whether the body runs in a process of its own: its author wants that, or a process has died of it."""
        return deaths > 0 or bool((self.command.payload or {}).get("isolated"))

    def by(self, *, alone: bool = False) -> Json:
        return {**claimant(self.order, self.delivery), **({"alone": True} if alone else {})}

    def claimed(self, nth: int) -> Json:
        return {**facts.place(self.command), "nth": nth}

    def is_cancelling(self, *, surely: bool = False) -> bool:
        """Asked only where a cancel can have come first: a first delivery follows its plan at once."""
        if not (surely or self.careful or self.order.child):
            return False
        node = self.shop.store.node(self.order.run, self.command.node, self.command.iteration)
        return node.state in ("cancelling", "cancelled")

    def wait_for_others(self) -> None:
        """Until bodies of earlier attempts have returned: two attempts of one task never run at the same time."""
        for other in self.shop.table.others(self.order.run, self.command):
            other.stop("cancel")
            while not other.returned:
                if self.delivery.stopping():
                    raise HandOver
                time.sleep(LOOK_EVERY_S)

    def append(self, fact: Fact, *, synced: bool = True) -> Appended:
        request = Append(self.order.run, (fact,), epoch=self.order.epoch, code=self.digest, synced=synced)
        return self.shop.store.append(request)

    # The body

    def start(self, nth: int, *, alone: bool) -> Running | Ended:
        command, bodies, digest = self.command, self.shop.bodies, self.digest
        flag = CancelFlag()
        context = self.context(nth, flag)
        try:
            body = self.body()
        except Misread as error:  # its `deps`: the same at every try
            return failed(InvalidOutput(error.message), 0)
        except RenderError:
            if self.is_cancelling(surely=True):  # and the tree does not have it any more
                return {"outcome": "cancelled", "ms": 0}
            raise

        def work() -> Ended:
            try:
                if faults.armed:
                    faults.before("body")
                ended = bodies.run(body, context, command, digest, alone=alone)
                if faults.armed:
                    faults.after("body")
            except BodyDied as error:
                return {"outcome": "died", "why": str(error), "signal": error.data.get("signal")}
            except BaseException as error:  # noqa: BLE001  a task's Ctrl-C is not ours
                return failed(TaskError(f"{type(error).__name__}: {error}"), 0)
            handed_over = ended["outcome"] == "cancelled" and flag.reason == "shutdown"
            return {**ended, "outcome": "stopped"} if handed_over else ended

        self.work = work
        running = Running(self.order.run, command, nth, flag, self.delivery.job, context.meter)
        self.shop.table.put(running)
        return running

    def context(self, nth: int, flag: CancelFlag) -> TaskContext:
        command, run = self.command, self.order.run
        deadline = now() + timedelta(milliseconds=command.timeout_ms) if command.timeout_ms else None
        sink = self.shop.bodies.sink(run, command)
        limits: Json = (command.payload or {}).get("limits") or {}
        meter = Meter(command.node, limits.get("tokens"))
        return TaskContext(run, command.node, command.iteration, command.attempt, nth, deadline, now, flag, sink, meter)

    def come_to(self, running: Running, ended: Ended | None) -> Ended:
        """What the body's end, or that it was given up, means for the step."""
        if ended is not None and ended["outcome"] != "stopped":
            if ended.get("ms", 0) >= SPOOL_MS:
                self.spooled = self.shop.spool.put(self.order.run, running.n, running.command.attempt, ended)
            return ended
        ms = round((time.monotonic() - running.began) * 1000, 3)
        match running.flag.reason:
            case "deadline":
                return used(running, failed(late(running.command), ms))
            case "cancel":
                return used(running, {"outcome": "cancelled", "ms": ms})
            case _:
                self.hand_over(running)

    def accounted(self, ended: Ended) -> Ended:
        """The end of a body, with all that the attempt has used, and the limits that it was over and that only warn."""
        if self.before != Usage():
            ended = {**ended, "usage": (self.before + Usage.read(ended.get("usage") or {})).wire()}
        limits: Json = (self.command.payload or {}).get("limits") or {}
        now = {"tokens": Usage.read(ended.get("usage") or {}).tokens, "ms": ended.get("ms", 0)}
        over = [
            {"kind": kind, "limit": limits[f"warn_{kind}"], "current": current}
            for kind, current in now.items()
            if current > limits.get(f"warn_{kind}", current)
        ]
        return {**ended, "over": over} if over else ended

    def is_told_to_end(self, ended: Ended) -> bool:
        """Whether the process that died alone was told to end together with ours, as a system that shuts down does."""
        until = time.monotonic() + TOLD_S
        while ended.get("signal") == SIGTERM and not self.delivery.stopping() and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        return self.delivery.stopping()

    def hand_over(self, running: Running) -> NoReturn:
        self.append(facts.claim_ended("released", self.claimed(running.nth), "its worker shuts down"))
        self.forget()
        raise HandOver


def claimant(order: Order, delivery: Delivery) -> Json:
    """Who claims: which delivery of which step, and where."""
    return {"owner": order.n, "since": order.since, "delivery": delivery.attempt, "worker": delivery.worker}


def used(running: Running, ended: Ended) -> Ended:
    """The end of a body that was given up, with what it has reported until then."""
    total = running.meter.total
    return ended if total == Usage() else {**ended, "usage": total.wire()}


def failed(error: TaskError, ms: float) -> Ended:
    return {"outcome": "failed", "error": {**error.wire(), "retryable": error.retryable}, "ms": ms}


def late(command: Command) -> TaskTimeout:
    return TaskTimeout(
        f"Task {command.node!r} took longer than its timeout of {command.timeout_ms / 1000:g} s (attempt "
        f"{command.attempt}), and took no notice of the end of its time.",
        node_id=command.node,
        attempt=command.attempt,
        timeout_ms=command.timeout_ms,
    )


def killed(found: Begin) -> KilledWorker:
    return KilledWorker(
        f"The process died {found.deaths} times while this task ran, the last times alone in a process of its own. "
        f"The last time: {found.why.rstrip('.') or 'nobody saw it'}. It is not tried again: most likely it runs out of "
        "memory, or native code crashes."
    )


def now() -> datetime:
    return datetime.now(UTC)
