"""Tests that need something this machine lacks say so here, and nowhere else."""

from __future__ import annotations

import re
from typing import NoReturn

import pytest

PATTERN = re.compile(r"missing ([\w.-]+): ")


def missing(name: str, why: str) -> NoReturn:
    """Skips the test, which fails the session unless it was started with `--allow-missing NAME`."""
    pytest.skip(f"missing {name}: {why}", allow_module_level=True)


def missing_name(reason: str) -> str:
    """The name in a reason that `missing` made; empty for other reasons."""
    match = PATTERN.search(reason)
    return match[1] if match else ""
