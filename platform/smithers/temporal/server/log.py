"""The logs in the server's folder: `supervisor.log`, which is the supervisor's own output, and `temporal.log`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

LIMIT_BYTES = 8 * 1024 * 1024


def note(text: str) -> None:
    """Writes one line with the time; for the supervisor, whose stdout is its log."""
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stdout.flush()


def tail(path: Path, lines: int = 5) -> str:
    """The last lines, indented, for an error message."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return "  (nothing)"
    return "\n".join(f"  {line[:400]}" for line in text.splitlines()[-lines:]) or "  (nothing)"


def trim(path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Empties a log that grew too long; its writers append, so they go on at its new end."""
    try:
        if path.stat().st_size > limit_bytes:
            os.truncate(path, 0)
    except OSError:
        pass  # it is not there, or will be tried again
