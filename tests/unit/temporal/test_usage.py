"""What a body reports is kept with its attempt, however that ends."""

from __future__ import annotations

import threading
from signal import SIGKILL
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Aspects, Child, Context, LatencySlo, Task, TaskContext, TokenBudget, Workflow
from smithers.engine.command import Command
from smithers.engine.entry import Json
from smithers.errors import BodyDied
from smithers.temporal.running import Ended
from tests.unit.temporal.conftest import Yard

pytestmark = pytest.mark.decision("0013")

USED = {"input_tokens": 100, "output_tokens": 20, "cost_usd": 0.25}


class Out(BaseModel):
    n: int = 0


def flow(body: Any, *, budgets: dict[str, Any] | None = None, **props: Any) -> Workflow[Any]:
    def tree(ctx: Context[Any]) -> Child:
        return Aspects(**(budgets or {}))[Task("a", output=Out, **{"retries": 0, **props})[body]]

    return Workflow("flow", tree, None)


def report(task: TaskContext) -> Out:
    task.usage(input_tokens=60, cost_usd=0.2)
    task.usage(input_tokens=40, output_tokens=20, cost_usd=0.05)
    return Out()


def report_and_fail(task: TaskContext) -> Out:
    report(task)
    raise RuntimeError("no")


@pytest.mark.parametrize(("body", "outcome"), [(report, "finished"), (report_and_fail, "failed")])
def test_reports_add_up_in_the_fact_of_the_attempt(yard: Yard, body: Any, outcome: str) -> None:
    yard.start(flow(body))
    yard.fetch()
    yard.step(1)

    ended = yard.ended()["a"]
    assert (ended["outcome"], ended["usage"]) == (outcome, USED)
    detail = yard.store.node("r", "a").detail
    assert detail is not None
    assert detail["usage"] == USED


def test_a_body_that_reports_nothing_leaves_no_trace(yard: Yard) -> None:
    yard.start(flow(Out))
    yard.fetch()
    yard.step(1)

    assert "usage" not in yard.ended()["a"]


def test_a_body_that_is_given_up_has_used_what_it_has_reported(yard: Yard) -> None:
    release = threading.Event()

    def stubborn(task: TaskContext) -> Out:
        report(task)
        release.wait()
        return Out()

    yard.keep_time()
    yard.start(flow(stubborn, timeout="50ms"))
    yard.fetch()
    yard.step(1)
    release.set()

    ended = yard.ended()["a"]
    assert (ended["error"]["code"], ended["usage"]) == ("TASK_TIMEOUT", USED)


def test_what_a_process_has_reported_that_died_counts_for_the_attempt(yard: Yard) -> None:
    class Dying:
        def __init__(self) -> None:
            self.times = 0

        def run(self, body: Any, context: TaskContext, command: Command, digest: str, *, alone: bool) -> Ended:
            self.times += 1
            context.usage(input_tokens=10)
            if self.times == 1:
                raise BodyDied("gone", signal=SIGKILL)
            usage: Json = context.meter.total.wire()
            return {"outcome": "finished", "output": {"n": 1}, "ms": 1, "usage": usage}

    dying = Dying()
    yard.bodies.run = dying.run
    yard.start(flow(report, isolated=True))
    yard.fetch()
    yard.step(1, child=True)

    assert dying.times == 2
    assert yard.ended()["a"]["usage"]["input_tokens"] == 20


@pytest.mark.feature("aspects.token.perTask", "aspects.latency.perTask")
def test_limits_for_one_task_that_only_warn_are_told_with_its_end(yard: Yard) -> None:
    def slow(task: TaskContext) -> Out:
        report(task)
        threading.Event().wait(0.03)
        return Out()

    budgets = {
        "token_budget": TokenBudget(max=1000, per_task=100, on_exceeded="warn"),
        "latency_slo": LatencySlo(max="1h", per_task="10ms", on_exceeded="warn"),
    }
    yard.start(flow(slow, budgets=budgets))
    n = next(command.n for command in yard.fetch().commands if command.kind == "run")
    yard.step(n)

    ended = yard.ended()["a"]
    tokens, ms = ended["over"]
    assert ended["outcome"] == "finished"
    assert tokens == {"kind": "tokens", "limit": 100, "current": 120}
    assert (ms["kind"], ms["limit"]) == ("ms", 10)
    assert ms["current"] >= 30
