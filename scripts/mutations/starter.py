"""Runs pytest many times in one tree, each time in a process that has the libraries already. Run as a script.

Reads requests from its standard input, one JSON object a line: `words` for pytest, the file `output`, and how long it
may take, `limit_s`. Answers each with a line: pytest's exit status, or null if that was not enough.

Only libraries are loaded beforehand, nothing of the tree: that is read anew each time, with whatever was changed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from typing import Any, Final

import pytest

LIBRARIES: Final = (
    "hypothesis.strategies",
    "pydantic",
    "anyio",
    "sqlalchemy",
    "temporalio.client",
    "temporalio.worker",
)
QUIET: Final = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""Asserts of libraries are not rewritten: it is not they that are tested."""
LOOK_S: Final = 0.02


def main() -> None:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  where `python -m pytest` looks first
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin:
            print(json.dumps(outcome(json.loads(line))), flush=True)


def outcome(request: dict[str, Any]) -> int | None:
    parent, child = os.getppid(), os.fork()
    if child == 0:
        os._exit(carry_out(request))
    ends = time.monotonic() + request["limit_s"]
    while time.monotonic() < ends and os.getppid() == parent:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_S)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def carry_out(request: dict[str, Any]) -> int:
    """In the child. It ends without the interpreter's farewell, so what was written is flushed here."""
    os.setsid()
    nothing, output = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    )
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    try:
        return int(pytest.main([*QUIET, *request["words"]]))
    except BaseException:  # noqa: BLE001  whatever a changed line does, the parent is to learn of it
        return int(pytest.ExitCode.INTERNAL_ERROR)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
