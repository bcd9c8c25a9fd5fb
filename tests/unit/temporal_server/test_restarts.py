"""When a dead server is started again."""

from __future__ import annotations

import itertools

from smithers.temporal.server.restarts import DELAYS_S, GOOD_LIFE_S, Restarts


def test_the_first_restart_is_immediate_and_later_ones_wait_longer() -> None:
    restarts = Restarts()

    delays = [restarts.after(lived_s=0.1) for _ in DELAYS_S]

    assert delays[0] == 0
    assert delays == sorted(delays, key=lambda delay: delay or 0)
    assert restarts.total == len(DELAYS_S)


def test_a_server_that_keeps_dying_is_given_up() -> None:
    restarts = Restarts()

    taken = list(itertools.takewhile(lambda delay: delay is not None, (restarts.after(0.1) for _ in range(100))))

    assert len(taken) == len(DELAYS_S)


def test_a_good_life_forgives_earlier_deaths() -> None:
    restarts = Restarts()
    for _ in range(100):
        assert restarts.after(lived_s=GOOD_LIFE_S) == 0
