"""Who it is that asks."""

from __future__ import annotations

import getpass
import os


def whoami() -> str:
    """The person at this terminal, as well as it can be known."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
