"""Durations as people write them."""

from __future__ import annotations

from typing import Final

from smithers.errors import InputError

UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_span(text: str, option: str) -> int:
    """Milliseconds of `90s`, `5m`, `2h`, `1d`; a bare number is seconds. Raises `InputError`."""
    unit = next((unit for unit in UNITS if text.endswith(unit)), "")
    number = text[: len(text) - len(unit)]
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise InputError(f"{option}={text!r} is not a duration: write for example 30s, 5m, 2h or 1d.", option=option)
    return round(value * UNITS[unit or "s"])
