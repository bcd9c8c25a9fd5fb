"""What a test carries out is heard line by line, in all threads and however often it is called."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from scripts.mutations.listening import Ear, rows_of

SOURCE = """def looped(n):
    total = 0
    for i in range(n):
        if i > 5:
            total += 1
    return total

def unused():
    return 1
"""


@pytest.fixture
def looped(tmp_path: Path) -> Any:
    found: dict[str, Any] = {}
    exec(compile(SOURCE, tmp_path / "sums.py", "exec"), found)
    return found["looped"]


def heard(tmp_path: Path, above: Path, *calls: Any) -> dict[str, set[int]]:
    ear, before = Ear(str(above)), sys.gettrace()
    threading.settrace(ear.call)
    sys.settrace(ear.call)
    try:
        for call in calls:
            call()
    finally:
        sys.settrace(before)
        threading.settrace(None)
    return ear.lines()


def test_lines_that_are_carried_out_are_heard_and_no_others(looped: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "sums.py")

    assert heard(tmp_path, tmp_path, lambda: looped(3)) == {path: {1, 2, 3, 4, 6}}
    assert heard(tmp_path, tmp_path, lambda: looped(3), lambda: looped(9), lambda: looped(3)) == {
        path: set(range(1, 7))
    }


def test_threads_are_heard_and_what_is_elsewhere_is_not(looped: Any, tmp_path: Path) -> None:
    def in_a_thread() -> None:
        thread = threading.Thread(target=looped, args=(9,))
        thread.start()
        thread.join()

    assert heard(tmp_path, tmp_path, in_a_thread) == {str(tmp_path / "sums.py"): set(range(1, 7))}
    assert heard(tmp_path, tmp_path / "elsewhere", in_a_thread) == {}


@pytest.mark.decision("0019")
def test_a_test_may_be_marked_with_decisions(request: pytest.FixtureRequest) -> None:
    assert rows_of(request.node) == ["decision 0019"]
