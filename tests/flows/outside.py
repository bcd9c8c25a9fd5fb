"""What bodies leave outside before they do anything, so that tests see what has really run.

A workflow file that stands elsewhere needs the repository on its process's path: it is then no part of the project.
"""

from __future__ import annotations

import os
import time

from smithers import TaskContext


def leave_line(shown: str, context: TaskContext) -> None:
    """Adds a line to the file: node, iteration, attempt, delivery, process and time."""
    at = context.iteration or "-"
    words = [context.node_id, at, context.attempt, context.delivery, os.getpid(), time.time_ns()]
    file = os.open(shown, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(file)
    finally:
        os.close(file)
