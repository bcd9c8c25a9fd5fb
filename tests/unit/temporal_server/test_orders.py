"""Settings that a command reads for the supervisor."""

from __future__ import annotations

import pytest

from smithers.temporal.server import ports
from smithers.temporal.server.orders import Settings


def test_nothing_set_means_a_minute_and_the_usual_ports() -> None:
    assert Settings.read({}) == Settings(60.0, ports.DEFAULT)
    assert Settings.read({"SMITHERS_SERVER_LINGER": "", "SMITHERS_SERVER_PORTS": ""}) == Settings()


def test_settings_are_read() -> None:
    source = {"SMITHERS_SERVER_LINGER": "0.5", "SMITHERS_SERVER_PORTS": "18000-18009"}

    assert Settings.read(source) == Settings(0.5, range(18000, 18010))


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "a minute"])
def test_a_wrong_linger_is_named(value: str) -> None:
    with pytest.raises(ValueError, match=f"SMITHERS_SERVER_LINGER is {value!r}"):
        Settings.read({"SMITHERS_SERVER_LINGER": value})


def test_wrong_ports_are_named() -> None:
    with pytest.raises(ValueError, match="SMITHERS_SERVER_PORTS: not a"):
        Settings.read({"SMITHERS_SERVER_PORTS": "many"})
