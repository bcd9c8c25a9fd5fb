"""What tasks print and log, on its way into the store: gathered, so that no line costs a commit of its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from smithers.engine.command import Command
from smithers.errors import StoreError
from smithers.store.interface import Store
from smithers.store.records import LogLine

log = logging.getLogger(__name__)
EVERY_S: Final = 0.2
MOST: Final = 20_000
"""Lines that wait while the store is away; then the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class TaskSink:
    """Where the lines of one attempt go."""

    lines: LineBuffer
    run_id: str
    command: Command

    def write(self, stream: str, text: str) -> None:
        command = self.command
        at_ms = time.time_ns() // 1_000_000
        line = LogLine(self.run_id, command.node, command.iteration, command.attempt, at_ms, stream, text)
        self.lines.add(line)


class LineBuffer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: list[LogLine] = []
        self._lock = threading.Lock()
        self._come = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stores what is there."""
        self._stopped = True
        self._come.set()
        self._thread.join()

    def add(self, line: LogLine) -> None:
        with self._lock:
            self._lines.append(line)
        self._come.set()

    def _run(self) -> None:
        while not self._stopped:
            self._come.wait()
            if not self._stopped:
                time.sleep(EVERY_S)
            self._come.clear()
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._store.write_log_lines(lines)
        except StoreError as error:
            log.warning("%d lines of tasks wait: %s", len(lines), error)
            with self._lock:
                self._lines = [*lines, *self._lines][-MOST:]
                self._come.set()
