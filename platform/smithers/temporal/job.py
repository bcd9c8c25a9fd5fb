"""One delivery of an order, on a thread of its own; on a second one, if the first does not come back.

The author's code runs on the step's own thread, both bodies and rendering, since every hand-over to another thread
costs twice its time on a busy machine. So a body that ignores its flag, or a rendering that hangs, holds the thread.
Then the step is simply delivered once more within the process: the second thread looks at the log and at the table of
bodies like any redelivery, and finds what was given up. The first one, if it ever comes back, is told that it is too
late before it can write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from smithers.temporal.errands import Errands
from smithers.temporal.fetch import answer
from smithers.temporal.order import Answer, Order
from smithers.temporal.running import Superseded
from smithers.temporal.workshop import Delivery, Workshop

Outcome = Answer | BaseException
THREADS = Errands("step")


class StepJob:
    """Calls `on_done` once, on some thread, with the answer or with what was raised."""

    def __init__(self, shop: Workshop, order: Order, delivery: Delivery, on_done: Callable[[Outcome], object]) -> None:
        self._shop = shop
        self._order = order
        self._delivery = replace(delivery, job=self)
        self._on_done = on_done
        self._lock = threading.Lock()
        self._thread = 0
        """Number of the thread whose outcome counts."""
        THREADS.start(lambda: self._run(0))

    def succeed(self) -> None:
        with self._lock:
            self._thread += 1
            self._delivery = replace(self._delivery, again=True)
            number = self._thread
        THREADS.start(lambda: self._run(number))

    def _run(self, number: int) -> None:
        try:
            outcome: Outcome = answer(self._shop, self._order, self._delivery)
        except Superseded:
            return
        except BaseException as error:  # noqa: BLE001  whoever waits for the job gets it
            outcome = error
        with self._lock:
            if number != self._thread:
                return
            self._thread = -1
        self._on_done(outcome)


def carry_out(shop: Workshop, order: Order, delivery: Delivery) -> Answer:
    """Blocks until the order has been carried out."""
    done = threading.Event()
    outcomes: list[Outcome] = []

    def on_done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        done.set()

    StepJob(shop, order, delivery, on_done)
    done.wait()
    if isinstance(outcomes[0], BaseException):
        raise outcomes[0]
    return outcomes[0]
