"""A worker process gives memory back that it does not need any more."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from smithers.worker import heap
if sys.argv[1] == "small":
    heap.stay_small()
def used_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
bytearray(16_000_000)  # glibc takes its size for the new threshold, where nothing is said
before = used_kb()
blocks = [bytearray(b"x") * 400_000 for _ in range(100)]
del blocks
print(used_kb() - before)
"""


def test_large_blocks_go_back_at_once() -> None:
    def left_kb(how: str) -> int:
        return int(
            subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout
        )

    assert left_kb("small") * 4 < left_kb("as it is")
