"""A job whose thread is stuck goes on with another one: that one looks first, and its outcome alone counts."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest

from smithers.temporal import job as module
from smithers.temporal.job import StepJob
from smithers.temporal.order import FETCH, Answer, Order
from smithers.temporal.workshop import Delivery

pytestmark = pytest.mark.decision("0006")

LATE, IN_TIME = Answer(done="failed"), Answer(done="finished")


def test_the_outcome_of_the_thread_that_succeeds_a_stuck_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, ended = threading.Event(), threading.Event()
    begun: queue.Queue[bool] = queue.Queue()
    outcomes: queue.Queue[Any] = queue.Queue()

    def carried_out(_shop: Any, _order: Order, delivery: Delivery) -> Answer:
        begun.put(delivery.again)
        if delivery.again:
            return IN_TIME
        stuck.wait(10)
        ended.set()
        return LATE

    monkeypatch.setattr(module, "answer", carried_out)
    shop: Any = None  # handed on to `answer`
    job = StepJob(shop, Order("r", FETCH, 1, 0), Delivery("w"), outcomes.put)
    assert begun.get(timeout=10) is False

    job.succeed()

    assert begun.get(timeout=10) is True
    assert outcomes.get(timeout=10) == IN_TIME
    stuck.set()
    assert ended.wait(10)
    with pytest.raises(queue.Empty):
        outcomes.get(timeout=0.05)
