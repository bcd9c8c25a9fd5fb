"""Times and durations as people read and write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from smithers.errors import InputError

UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def iso(at_ms: int) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(at_ms: int) -> str:
    """In this machine's time zone, which people know without being told."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(ms: int) -> str:
    """Two units at most: `0.2s`, `41s`, `3m 20s`, `2h 5m`, `4d 1h`."""
    if ms < 10_000:
        return f"{max(ms, 0) / 1000:.1f}s"
    seconds = ms // 1000
    for size, unit, smaller_size, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            whole, left = divmod(seconds, size)
            part = left // smaller_size
            return f"{whole}{unit} {part}{smaller}" if part else f"{whole}{unit}"
    return f"{seconds}s"


def ago(at_ms: int, now: int) -> str:
    return f"{span(now - at_ms)} ago"


def clock(ms: int) -> str:
    """Elapsed time as `00:00:05` (cli.global.progress.stream)."""
    seconds = max(ms, 0) // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def offset(ms: int) -> str:
    """Time since the run's start as `+02:05.017` (cli.evfmt.line)."""
    ms = max(ms, 0)
    return f"+{ms // 60_000:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


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
