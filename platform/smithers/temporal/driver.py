"""The driver carries out each numbered command of a run exactly once, and decides nothing.

The idea
    Temporal replays a workflow and demands that it does the same things each time. So the workflow here is one small
    generic loop that never sees the author's code: steps (activities) plan, and answer with numbered commands; the
    driver starts an activity, a child workflow or a durable timer for each number, and waits for

        a step's answer     -> more commands
        a child, a timer    -> the step behind it stores a fact
        the bell            -> fetch: somebody has appended a fact
        an end without an answer (worker gone for good, cancelled before it began, a child terminated) -> fetch, with
                               `settle` for its number

    Fetch is the only recovery path. It is also the first act of every Temporal run, so start, continue-as-new, reset,
    resume and drive-again are one path, and the only state carried over is run id and epoch: the log has the rest.

What makes it exactly once
    - A command is taken up once per Temporal run, by number (`seen`).
    - A fetch returns every open command, so also those which a step in flight is working on in a burst. A command whose
      owner is one of our own steps in flight is left alone: that step answers for it. If it ends without an answer, or
      with an older one, a fetch from 0 brings the command again.
    - A cancel of a number not seen yet marks the number dead. When it arrives it is settled, never started.
    - The run ends when no plain step is in flight any more: each of them may still answer with lower numbers.

Cancel
    The store's state of a task is the cancel flag; a body learns of it through its heartbeat. Cancelling the activity
    here is for those that have not begun: no worker, a backoff, a timer. WAIT_CANCELLATION_COMPLETED, because a step
    that has begun answers with what its transaction decided, cancelled or just finished. A native cancel request
    becomes a `cancel` fact (through a fetch), and the loop goes on until the log says that the run is over: children
    and running bodies are stopped by the plan that follows, like for every other cancel. Temporal then shows Canceled;
    a cancel that came through the log shows Completed with the status `cancelled`, since Temporal lets nobody close a
    run as cancelled that was not asked to.

Continue-as-new
    At the server's suggestion (4,096 events), never younger than a second (the server would hold it back). Nothing new
    is started; plain steps end, children's starts are awaited, timers are dropped: their commands are open in the log
    and the next run fetches them. Plain steps are short, but nothing forces them to be; if they take longer than
    PATIENCE, the driver goes on as before and tries again some hundred events later, so that one long step does not
    hold up its siblings. A child that was started by an earlier Temporal run does not report to this one: its step
    rings, and the driver looks again from time to time by trying to start it.

Frozen
    Open histories are replayed by later releases. The activity ids (`fetch-k`, `plan-k`, `step-n`), the ids of
    children, the type names, and the order and kind of what is done here must not change without `workflow.patched`;
    tests/replay holds histories of every release. Timeouts, queues and arguments may change.

Cost
    A step is one Temporal round: 7 events, about 8 ms of server time. Alternatives that were tried and left: planning
    in a local activity (lost with the workflow task, blocks signals while it runs), and updates with validators
    (at most ten in flight, lost around continue-as-new).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TimeoutType,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import TimeoutError as Late
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

from smithers.engine.command import ENDING
from smithers.engine.entry import Json
from smithers.store import faults
from smithers.temporal.order import (
    FETCH,
    RING,
    STALE,
    STEP,
    TASK,
    Answer,
    Carried,
    Order,
    Signal,
    light_queue,
    plan_queue,
)

TASK_TIMEOUT: Final = timedelta(seconds=2)
"""Of a workflow task: one in flight when its worker dies costs this much. Shorter ones time out under load."""
HEARTBEAT: Final = timedelta(seconds=5)
PLAIN: Final = timedelta(hours=24)
LONG: Final = timedelta(days=365)
RETRY: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=10), maximum_interval=timedelta(minutes=1), maximum_attempts=1000
)
"""For lost workers and for a store that is away, not for the author's errors: those are facts."""
YOUNGEST: Final = timedelta(seconds=1)
PATIENCE_S: Final = 5.0
NEXT_TRY: Final = 500
LAST_CALL: Final = 30_000
"""Events. The server ends a run at 51,200."""
SIGNAL_BYTES: Final = 256 * 1024
LOOK_AGAIN_S: Final = (30.0, 900.0)
AT_ONCE: Final = timedelta(milliseconds=100)
CROWDED: Final = timedelta(seconds=30)
"""For so long nothing is tried on our own worker whose slots were taken."""


async def step(
    order: Order, activity_id: str, *, queue: str = "", longest: timedelta = PLAIN, to_start: timedelta | None = None
) -> Answer:
    """One activity. Raises `ActivityError` when it ended without an answer."""
    wire = await workflow.execute_activity(
        STEP,
        order.wire(),
        task_queue=queue or None,
        activity_id=activity_id,
        schedule_to_start_timeout=to_start,
        start_to_close_timeout=longest,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RETRY,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )
    return Answer.read(wire)


@workflow.defn(dynamic=True, sandboxed=False)
class Driver:
    """One run. Dynamic, so that its type in Temporal is the name of the author's workflow."""

    @workflow.init
    def __init__(self, args: Sequence[RawValue]) -> None:
        start: Json = workflow.payload_converter().from_payload(args[0].payload, dict[str, Any])
        self.run_id: str = start["run"]
        self.epoch: int = start["epoch"]
        self.since = round(workflow.info().start_time.timestamp() * 1000)
        self.wake = asyncio.Event()
        self.seen: set[int] = set()
        self.dead: set[int] = set()
        self.left: dict[int, int] = {}
        """Numbers that were left to their owner, which is in flight."""
        self.flying: dict[int, asyncio.Task[Answer]] = {}
        self.plain: set[int] = set()
        """Numbers in flight that carry a step of ours: an activity is running, or will be."""
        self.launched: set[int] = set()
        """Numbers in flight whose activity or child is with Temporal already."""
        self.starting = 0
        """Children whose start has not been confirmed."""
        self.rang = True
        """A fetch is due."""
        self.belled = False
        """Somebody has rung, and no fetch has answered since."""
        self.full = True
        """The next fetch asks for every open command, not only for those above what the last one named."""
        self.above = 0
        self.fetches = 0
        self.fetching = False
        self.onward = False
        """The fetch in flight may go on with what it plans."""
        self.planning: asyncio.Task[Answer] | None = None
        self.unanswered: list[int] = []
        self.signals: list[Signal] = []
        self.signalled = 0
        self.cancelled = False
        self.cancel_due = False
        self.queue = ""
        """Of the run's code."""
        self.light = light_queue(workflow.info().task_queue)
        self.crowded_until = workflow.info().start_time
        self.at_home = True
        """Whether the workers of our own queue hold the code, as far as we have seen."""
        self.done = ""
        self.newer_epoch = 0
        """Of the run, where ours is over."""
        self.patience = False
        self.waited = False
        """For steps that are in flight though the run is over."""
        self.crash: BaseException | None = None
        self.closing = False
        self.next_try = 0
        if faults.armed and workflow.info().continued_run_id:
            faults.after("continue")

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> Json:  # noqa: ARG002  the SDK wants what `__init__` has read
        while True:
            self.fetch_if_due()
            if self.is_over():
                return self.outcome()
            self.close_if_long()
            await self.sleep_until_woken()

    async def sleep_until_woken(self) -> None:
        try:
            await self.wake.wait()
        except asyncio.CancelledError:
            if self.cancelled or workflow.cancellation_reason() is None:
                raise  # eviction: this instance is thrown away
            self.cancelled = self.cancel_due = True
        self.wake.clear()
        if self.crash is not None:
            raise self.crash

    # What others say

    @workflow.signal(name=RING)
    def ring(self) -> None:
        self.rang = self.belled = True
        self.wake.set()

    @workflow.signal(dynamic=True)
    def signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Somebody signalled through Temporal. The key is the same in every replay, so the fact is stored once."""
        self.signalled += 1
        key = f"{workflow.info().run_id}:{self.signalled}"
        self.signals.append(Signal(key, name, signal_value(args)))
        self.wake.set()

    # Fetch

    def fetch_if_due(self) -> None:
        news = self.unanswered or self.signals or self.cancel_due
        if self.fetching or self.done == STALE or not (news or (self.rang and not self.closing)):
            return
        order = Order(
            self.run_id,
            FETCH,
            self.epoch,
            self.since,
            above=0 if self.unanswered or self.full else self.above,
            settle=tuple(self.unanswered),
            cancel=workflow.info().run_id if self.cancel_due else "",
            signals=tuple(self.signals),
            alone=not self.plain and self.planning is None,
        )
        self.rang = self.full = self.cancel_due = False
        self.unanswered, self.signals = [], []
        self.fetching, self.onward = True, order.alone
        self.fetches += 1
        fetch = asyncio.create_task(self.light_step(order, f"fetch-{self.fetches}"))
        fetch.add_done_callback(partial(self.fetched, order))

    def fetched(self, order: Order, fetch: asyncio.Task[Answer]) -> None:
        self.fetching = self.onward = False
        answer = self.landed(fetch)
        if answer is not None:
            self.take(answer)
            self.belled = self.belled and (self.rang or answer.done == STALE)
            self.above = max([self.above, *(command.n for command in answer.commands)])
        else:
            self.unanswered = [*order.settle, *self.unanswered]
            self.signals = [*order.signals, *self.signals]
            self.cancel_due = self.cancel_due or bool(order.cancel)
            self.rang = self.full = True
        self.miss_nothing_of(FETCH)

    def plan_elsewhere(self) -> None:
        """Facts wait for a plan, and the worker that said so does not hold the code. Waits for one that does."""
        if self.planning is None:
            self.fetches += 1
            order = Order(self.run_id, FETCH, self.epoch, self.since)
            self.planning = asyncio.create_task(step(order, f"plan-{self.fetches}", queue=plan_queue(self.queue)))
            self.planning.add_done_callback(self.planned)

    def planned(self, planning: asyncio.Task[Answer]) -> None:
        self.planning = None
        answer = self.landed(planning)
        if answer is not None:
            self.take(answer)
        else:
            self.rang = True

    def landed(self, task: asyncio.Task[Answer]) -> Answer | None:
        """The answer of a task that is done; None if it ended without one."""
        self.wake.set()
        if task.cancelled():
            return None
        error = task.exception()
        if error is None:
            return None if task.result().unheld else task.result()
        if not isinstance(error, ActivityError | ChildWorkflowError):
            self.crash = error
        return None

    # Commands

    def take(self, answer: Answer) -> None:
        if answer.queue and answer.queue != self.queue:
            self.move(answer.queue)
        self.done = self.done or answer.done
        self.newer_epoch = max(self.newer_epoch, answer.epoch)
        for command in answer.commands:
            self.take_up(command)
        if answer.elsewhere and not self.done:
            self.plan_elsewhere()

    def take_up(self, command: Carried) -> None:
        n, kind = command.n, command.kind
        if n in self.seen:
            return
        if command.owner in self.plain or (self.onward and command.owner == FETCH):
            self.left[n] = command.owner
            return
        if faults.armed:
            faults.before("order", kind)
        if kind == "cancel":
            self.cancel(command.target)
        elif kind in ENDING:
            self.done = self.done or ("finished" if kind == "complete" else "failed")
        elif n in self.dead:
            self.unanswered.append(n)
        elif self.closing:
            return
        else:
            self.start(command)
        self.seen.add(n)
        if faults.armed:
            faults.after("order", kind)

    def start(self, command: Carried) -> None:
        if command.kind != "child":
            self.plain.add(command.n)
        task = asyncio.create_task(self.carry_out(command))
        self.flying[command.n] = task
        task.add_done_callback(partial(self.ended, command.n))

    def ended(self, n: int, task: asyncio.Task[Answer]) -> None:
        del self.flying[n]
        self.plain.discard(n)
        self.launched.discard(n)
        answer = self.landed(task)
        if answer is None:
            self.unanswered.append(n)
        else:
            self.take(answer)
        self.miss_nothing_of(n)

    def miss_nothing_of(self, owner: int) -> None:
        """The owner's answer may be older than the one that named what was left to it."""
        left = [n for n, by in self.left.items() if by == owner]
        for n in left:
            del self.left[n]
            if n not in self.seen:
                self.rang = self.full = True

    def cancel(self, target: int) -> None:
        if target in self.flying:
            self.flying[target].cancel()
        elif target not in self.seen:
            self.dead.add(target)

    def move(self, queue: str) -> None:
        """The run follows new code. Steps that wait for a worker of the old code come back without an answer and are
        planned again; those that run pay no attention to this and answer."""
        self.queue, self.at_home = queue, True
        for n in self.launched:
            self.flying[n].cancel()
        if self.planning is not None:
            self.planning.cancel()

    async def carry_out(self, command: Carried) -> Answer:
        delay_s = command.due_ms / 1000 - workflow.now().timestamp() if command.due_ms else 0.0
        if delay_s > 0:
            self.plain.discard(command.n)
            await workflow.sleep(delay_s)
            self.plain.add(command.n)
        self.launched.add(command.n)
        is_child = command.kind == "child"
        order = Order(self.run_id, command.n, self.epoch, self.since, code=self.queue, child=is_child)
        if is_child:
            return await self.carry_out_child(order)
        if command.kind == "timer":
            return await self.light_step(order, f"step-{command.n}")
        return await self.carry_out_task(order)

    async def light_step(self, order: Order, activity_id: str) -> Answer:
        """A step without a task, on our own worker if that has a slot: then Temporal hands it over with the answer to
        the workflow task, and nobody has to be found. Where long bodies hold all slots, in a slot kept for such steps.
        """
        if workflow.now() >= self.crowded_until:
            try:
                return await step(order, activity_id, to_start=AT_ONCE)
            except ActivityError as error:
                if not is_late(error):
                    raise
            self.crowded_until = workflow.now() + CROWDED
            activity_id = f"{activity_id}-light"
        return await step(order, activity_id, queue=self.light)

    async def carry_out_task(self, order: Order) -> Answer:
        if self.at_home:
            answer = await step(order, f"step-{order.n}")
            if not answer.unheld:
                return answer
            self.at_home = False
        if order.code != self.queue:  # the run has followed other code meanwhile
            order = replace(order, code=self.queue)
        return await step(order, f"step-{order.n}-code", queue=order.code)

    async def carry_out_child(self, order: Order) -> Answer:
        child_id = f"{order.run}:{order.epoch}:{order.n}"
        look_again_s, longest_s = LOOK_AGAIN_S
        while True:
            self.starting += 1
            try:
                handle = await workflow.start_child_workflow(
                    TASK,
                    {"order": order.wire(), "queue": order.code},
                    id=child_id,
                    parent_close_policy=ParentClosePolicy.ABANDON,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    task_timeout=TASK_TIMEOUT,
                )
            except WorkflowAlreadyStartedError:
                handle = None
            finally:
                self.starting -= 1
                self.wake.set()
            if handle is not None:
                return Answer.read(await handle)
            try:
                await workflow.sleep(look_again_s)
            except asyncio.CancelledError:
                await workflow.get_external_workflow_handle(child_id).cancel()
            look_again_s = min(2 * look_again_s, longest_s)

    # The end

    def is_over(self) -> bool:
        """A run that is over has nothing in flight but answers, for which there is a while."""
        if self.done and not self.fetching and self.plain and not self.patience:
            self.patience = True
            asyncio.create_task(workflow.sleep(PATIENCE_S)).add_done_callback(self.stop_waiting)
        busy = self.fetching or self.starting or (self.plain and not self.waited)
        return self.done == STALE or bool(self.done and not busy)

    def stop_waiting(self, _: asyncio.Task[None]) -> None:
        self.waited = True
        self.wake.set()

    def outcome(self) -> Json:
        if self.done == STALE and self.belled and self.newer_epoch > self.epoch:
            # The run was resumed or driven again, and the bell for its new driver reached us, who were still open.
            self.continue_as_new(self.newer_epoch)
        if self.done == "failed":
            raise ApplicationError("The run failed. Its log says why.", type="RunFailed", non_retryable=True)
        if self.done == "cancelled" and self.cancelled:
            raise asyncio.CancelledError
        return {"status": self.done}

    def close_if_long(self) -> None:
        info = workflow.info()
        events = info.get_current_history_length()
        old_enough = workflow.now() - info.start_time >= YOUNGEST
        if not (info.is_continue_as_new_suggested() and old_enough and events >= self.next_try):
            return
        busy = self.plain or self.starting or self.fetching
        if not self.closing and busy:
            self.closing = True
            asyncio.create_task(workflow.sleep(PATIENCE_S)).add_done_callback(self.lose_patience)
        elif not busy and not (self.unanswered or self.signals or self.cancel_due):
            self.continue_as_new(self.epoch)

    def continue_as_new(self, epoch: int) -> NoReturn:
        if faults.armed:
            faults.before("continue")
        workflow.continue_as_new({"run": self.run_id, "epoch": epoch}, task_timeout=TASK_TIMEOUT)

    def lose_patience(self, _: asyncio.Task[None]) -> None:
        events = workflow.info().get_current_history_length()
        if self.closing and events < LAST_CALL:
            self.closing = False
            self.next_try = events + NEXT_TRY
            self.rang = self.full = True
            self.wake.set()


@workflow.defn(name=TASK, sandboxed=False)
class LongTask:
    """One command in a workflow of its own: its step stores the result and rings. It outlives its parent's runs."""

    @workflow.run
    async def run(self, start: Json) -> Json:
        order = Order.read(start["order"])
        try:
            answer = await step(order, f"step-{order.n}", queue=start["queue"], longest=LONG)
        except ActivityError:
            answer = None
        if answer is None or answer.unheld:
            # The driver that started this may have continued as new and would not be told: say it through the log.
            settle = Order(order.run, FETCH, order.epoch, order.since, settle=(order.n,), child=True)
            answer = await step(settle, "settle", queue=light_queue(workflow.info().task_queue))
        return answer.wire()


def is_late(error: ActivityError) -> bool:
    """Whether nobody was there to begin the activity in time."""
    cause = error.cause
    return isinstance(cause, Late) and cause.type == TimeoutType.SCHEDULE_TO_START


def signal_value(args: Sequence[RawValue]) -> object:
    """The signal's first argument as JSON. Temporal would end the run over one that is too large to pass on."""
    if not args:
        return None
    payload = args[0].payload
    if len(payload.data) > SIGNAL_BYTES:
        return {"$too_large": len(payload.data)}
    try:
        value: object = workflow.payload_converter().from_payload(payload)
    except Exception:  # noqa: BLE001  whatever a stranger's encoding raises: the signal itself is a fact
        return {"$unreadable": payload.metadata.get("encoding", b"").decode(errors="replace")}
    return value.decode(errors="replace") if isinstance(value, bytes) else value
