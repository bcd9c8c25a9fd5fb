"""Times and durations as people read and write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from smithers.worker.spans import parse_span

__all__ = ["ago", "clock", "iso", "local", "now_ms", "offset", "parse_span", "span"]


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
