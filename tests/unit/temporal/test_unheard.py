"""Only so many drivers are rung at a time that have not been heard of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from smithers.temporal.unheard import Unheard

pytestmark = pytest.mark.decision("0030")

AGES_S = 60.0


async def ring(unheard: Unheard, run_id: str, rung: list[str]) -> None:
    async with unheard.place(run_id):
        rung.append(run_id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def test_a_bell_waits_until_one_that_was_rung_is_heard() -> None:
    async def go() -> list[list[str]]:
        unheard, rung, seen = Unheard(2, AGES_S), list[str](), list[list[str]]()
        async with asyncio.TaskGroup() as group:
            for run_id in "abcd":
                group.create_task(ring(unheard, run_id, rung))
            await until(lambda: len(rung) == 2)
            for first in "ab":
                for _ in range(10):
                    await asyncio.sleep(0)
                seen.append(list(rung))
                unheard.heard(first)
        return [*seen, rung]

    assert asyncio.run(go()) == [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]


def test_a_driver_that_waits_to_be_heard_is_rung_at_once() -> None:
    async def go() -> list[str]:
        unheard, rung = Unheard(1, AGES_S), list[str]()
        await ring(unheard, "a", rung)
        await ring(unheard, "a", rung)
        unheard.heard("a")
        await ring(unheard, "b", rung)
        return rung

    assert asyncio.run(asyncio.wait_for(go(), 10)) == ["a", "a", "b"]


def test_two_bells_of_a_run_that_both_waited_take_one_place() -> None:
    async def go() -> list[str]:
        unheard, rung = Unheard(2, AGES_S), list[str]()
        await ring(unheard, "a", rung)
        await ring(unheard, "b", rung)
        async with asyncio.TaskGroup() as group:
            for run_id in "ccd":
                group.create_task(ring(unheard, run_id, rung))
            await asyncio.sleep(0)
            unheard.heard("a")
            unheard.heard("b")
        assert len(unheard) == 2
        return rung

    assert asyncio.run(asyncio.wait_for(go(), 10)) == ["a", "b", "c", "c", "d"]


def test_a_driver_that_lives_elsewhere_gives_its_place_back_in_time() -> None:
    async def go() -> list[str]:
        unheard, rung = Unheard(1, 0.01), list[str]()
        for run_id in "abc":
            await ring(unheard, run_id, rung)
        return rung

    assert asyncio.run(asyncio.wait_for(go(), 10)) == ["a", "b", "c"]


def test_a_bell_that_fails_gives_its_place_back() -> None:
    async def go() -> list[str]:
        unheard, rung = Unheard(1, AGES_S), list[str]()
        with pytest.raises(OSError, match="away"):
            async with unheard.place("a"):
                raise OSError("away")
        await ring(unheard, "b", rung)
        return rung

    assert asyncio.run(asyncio.wait_for(go(), 10)) == ["b"]


def test_hearing_of_a_run_that_nobody_has_rung_frees_nothing() -> None:
    async def go() -> int:
        unheard = Unheard(1, AGES_S)
        unheard.heard("b")
        await ring(unheard, "a", [])
        unheard.heard("b")
        return len(unheard)

    assert asyncio.run(go()) == 1
