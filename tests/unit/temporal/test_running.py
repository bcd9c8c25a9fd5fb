"""Patience with a body that was asked to stop."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from smithers.engine.command import Command
from smithers.flow.task_context import CancelFlag
from smithers.temporal.running import Running

pytestmark = pytest.mark.decision("0006")


def asked(stopped_at: float = 0.0) -> Running:
    """A body whose flag was set by somebody else than `stop`, as who runs a body alone does at its deadline."""
    running = Running("r", Command(1, "run", "a", timeout_ms=1), 1, CancelFlag(), stopped_at=stopped_at)
    running.flag.set("deadline")
    return running


def test_patience_begins_when_the_flag_is_seen_whoever_has_set_it() -> None:
    running = asked()
    running.look(grace_s=5)
    assert not running.given_up
    assert time.monotonic() - running.stopped_at < 5


def test_patience_ends() -> None:
    running = asked(stopped_at=time.monotonic() - 6)
    running.look(grace_s=5)
    assert running.given_up


FORGOTTEN = """
from types import SimpleNamespace
from smithers.temporal.watch import Watch

table = SimpleNamespace(every=lambda: [])
Watch(SimpleNamespace(table=table, codes={}, settings=SimpleNamespace(grace_s=1))).start()
"""


def test_a_process_that_forgets_the_watch_ends_all_the_same() -> None:
    subprocess.run([sys.executable, "-c", FORGOTTEN], check=True, timeout=20)
