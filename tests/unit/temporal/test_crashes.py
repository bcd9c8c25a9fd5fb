"""A worker that dies before or after any of its calls to the store loses nothing and doubles at most one body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Child, Context, Loop, Parallel, Sequence, Task, Timer, call, workflow
from smithers.flow.workflow import AnyWorkflow
from smithers.store.interface import Store
from smithers.store.memory import MemoryStore
from smithers.temporal.workshop import StepSettings
from tests.simulation.temporal import Driver
from tests.unit.temporal.conftest import Yard, gone

pytestmark = pytest.mark.decision("0002")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


def task(name: str) -> Task[Out]:
    return Task(name, output=Out)[call(work, 1)]


@workflow
def chain(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[task("a"), task("b"), task("c")]


@workflow
def diamond(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[task("a"), Parallel[task("b"), task("c"), task("d")], task("e")]


@workflow
def reading(ctx: Context[dict[str, int]]) -> Child:
    def rest() -> Child:
        return Parallel[[task(f"r{i}") for i in range(ctx.output(Out, "a").n + 1)]]

    loop = Loop("again", until=False, max_iterations=2, on_max_reached="return-last")[task("in")]
    return Sequence[task("a"), rest, Timer("t", duration="1ms"), loop]


class Died(BaseException):
    pass


class MortalStore:
    """Ends the process at the k-th call: before it, or after it has been done."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, at, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def called(*args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Died
            result = method(*args, **more)
            if self._left == 0:
                raise Died
            return result

        return called

    @property
    def survived(self) -> bool:
        return self._left > 0


def carry_out(yard: Yard, mortal: Yard) -> None:
    """Delivers one order at a time until the run is over: a process that dies is followed by one that does not."""
    driver = Driver(Random(0))
    driver.turn()
    while driver.flights and not driver.done:
        flight = driver.flights[0]
        flight.attempt += 1
        try:
            answer = mortal.deliver(flight.order, flight.attempt)
        except Died:
            mortal = yard.again()
            continue
        driver.answered(flight, answer)


def all_points(flow: AnyWorkflow, folder: Path, burst_s: float, *, after: bool) -> Iterator[tuple[Yard, Yard]]:
    """The flow carried out with a death at the first, the second, ... call, until it needs no more calls."""
    for at in range(1, 1000):
        store = MemoryStore()
        yard = Yard(store, folder / str(at), StepSettings(burst_s=burst_s, render_s=5, grace_s=1))
        yard.start(flow)
        mortal_store = MortalStore(store, at, after=after)
        mortal = replace(yard.again(), store=mortal_store, worker=gone())
        mortal.codes.clear()
        for name, plans in yard.codes.items():
            mortal.codes[name] = type(plans)(mortal_store, plans.code)  # type: ignore[arg-type]
        carry_out(yard, mortal)
        yield yard, mortal
        store.close()
        if mortal_store.survived:
            return
    raise AssertionError("it never came to an end")


@pytest.mark.feature("plan.commit.atomic")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("burst_s", [0, 30])
@pytest.mark.parametrize("flow", [chain, diamond, reading], ids=lambda flow: flow.name)
def test_a_death_at_any_call(flow: AnyWorkflow, burst_s: float, after: bool, tmp_path: Path) -> None:
    points = 0
    for points, (yard, _) in enumerate(all_points(flow, tmp_path, burst_s, after=after), 1):
        assert yard.status() == "finished", points
        ended = [(entry.data["node"], entry.data["iteration"]) for entry in yard.entries("ended")]
        assert len(ended) == len(set(ended))
        claims = Counter((entry.data["node"], entry.data["iteration"]) for entry in yard.entries("claim"))
        assert sum(claims.values()) - len(claims) <= 1
        assert len(yard.entries("died")) <= 1
        assert [entry.seq for entry in yard.entries()] == list(range(1, len(yard.entries()) + 1))
    assert points > 10
