"""The release of the Temporal CLI that we get ourselves."""

from __future__ import annotations

VERSION = "1.8.2"
"""`wrapper/go.mod` names the same one; a test holds them together."""


class NotGot(Exception):
    """One way to get the binary failed; the message says which and why."""
