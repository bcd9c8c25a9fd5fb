"""The watchdog ends a process whose interpreter is stuck, and leaves others alone."""

from __future__ import annotations

import subprocess
import sys

STUCK = """
import ctypes, sys
from smithers.worker import watchdog
watchdog.watch(0.3)
# PyDLL keeps the interpreter's lock during the call.
ctypes.PyDLL(None).sleep(30)
"""
BUSY = """
import time
from smithers.worker import watchdog
stop = watchdog.watch(0.3)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    sum(range(10_000))
stop()
time.sleep(0.5)
print("alive")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)


def test_a_process_that_holds_the_lock_for_ever_ends_with_its_stacks():
    done = run(STUCK)

    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>", line 6' in done.stderr


def test_a_busy_process_lives_and_a_stopped_watchdog_is_silent():
    done = run(BUSY)

    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
