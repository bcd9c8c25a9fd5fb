"""The one activity, as Temporal sees it: it unpacks an order, hands it to the step, and packs the answer.

Failures that reach Temporal have fixed texts: what went wrong in detail is in the run's log, or in this worker's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from smithers.errors import StoreUnavailable
from smithers.temporal.job import Outcome, StepJob
from smithers.temporal.order import FETCH, STEP, Answer, Order
from smithers.temporal.workshop import Delivery, HandOver, Workshop

log = logging.getLogger(__name__)
AT_ONCE = timedelta(milliseconds=1)


class Pulse(Protocol):
    """Heartbeats for everything that runs in this process."""

    def begin(self, order: Order, task_token: bytes, beat: Callable[[], None]) -> object:
        """Calls `beat` from time to time, in the caller's context and on its loop, until `end`."""
        ...

    def end(self, key: object) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class StepActivity:
    """The steps that come through one task queue."""

    shop: Workshop
    pulse: Pulse
    worker: str
    """Identity of this process."""
    stopping: Callable[[], bool]
    on_fetch: Callable[[str], None]
    """Told of runs whose driver fetches."""
    on_end: Callable[[str], None]
    """Told of runs whose end a step has answered with."""

    @activity.defn(name=STEP)
    async def step(self, wire: Any) -> Any:  # not `Json`: the SDK would walk through the value to check it
        order, info = Order.read(wire), activity.info()
        if order.n == FETCH:
            self.on_fetch(order.run)
        key = self.pulse.begin(order, info.task_token, activity.heartbeat)
        try:
            answered = await self.carried_out(order, info.attempt)
            if answered.done:
                self.on_end(order.run)
            return answered.wire()
        except HandOver:
            raise again("The worker shuts down.", "HandOver", AT_ONCE) from None
        except StoreUnavailable as error:
            log.warning("run %s, step %d: the store is away: %s", order.run, order.n, error)
            raise again("The store is away.", "StoreUnavailable", pause(info.attempt)) from None
        except Exception as error:
            log.exception("run %s, step %d failed", order.run, order.n)
            text = "The step failed. Its worker's log says why."
            raise again(text, type(error).__name__, pause(info.attempt)) from None
        finally:
            self.pulse.end(key)

    async def carried_out(self, order: Order, attempt: int) -> Answer:
        """A step is not stopped by Temporal's cancel: the log says whether it is to stop, and it answers either way."""
        loop = asyncio.get_running_loop()
        ended = Ended(loop.create_future())
        given_up: list[bool] = []
        delivery = Delivery(self.worker, attempt, lambda: bool(given_up), self.stopping)
        StepJob(self.shop, order, delivery, lambda value: loop.call_soon_threadsafe(ended.note, value))
        while ended.value is None:
            try:
                await ended.waiter
            except asyncio.CancelledError:
                ended.waiter = loop.create_future()
                details = activity.cancellation_details()
                if details is not None and (details.not_found or details.timed_out):
                    given_up.append(True)
        if isinstance(ended.value, BaseException):
            raise ended.value
        return ended.value


@dataclass(slots=True, eq=False)
class Ended:
    """The outcome of a job, for a coroutine that may be cancelled while it waits and goes on waiting."""

    waiter: asyncio.Future[None]
    value: Outcome | None = None

    def note(self, value: Outcome) -> None:
        self.value = value
        if not self.waiter.done():
            self.waiter.set_result(None)


def again(text: str, kind: str, delay: timedelta) -> ApplicationError:
    """A failure after which the same order is delivered again."""
    return ApplicationError(text, type=kind, next_retry_delay=delay, category=ApplicationErrorCategory.BENIGN)


def pause(attempt: int) -> timedelta:
    """From a quarter of a second up to a minute."""
    return timedelta(seconds=min(60.0, 0.25 * 2 ** min(attempt - 1, 8)))
