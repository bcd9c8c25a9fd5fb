"""The lines of one task: put together from what it writes, bounded, and passed on whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smithers.flow.task_context import LineSink

LONGEST: Final = 16 * 1024
"""Characters of one line; a longer one is passed on in pieces."""
TRUNCATED: Final = "… truncated: the task writes more than is kept"


@dataclass(frozen=True, slots=True)
class LineLimit:
    """What is kept of one attempt. Beyond it one line says so, and the rest is dropped."""

    lines: int = 10_000
    size_chars: int = 1024 * 1024


KEPT: Final = LineLimit()


class TaskLines:
    """A `LineSink` in front of another one.

    Text comes in pieces of any size and from any thread; each thread has its own unfinished line, so that two which
    print at once do not mix theirs.
    """

    __slots__ = ("_chars_left", "_lines_left", "_lock", "_partial", "_sink")

    def __init__(self, sink: LineSink, limit: LineLimit = KEPT) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._partial: dict[tuple[str, int], str] = {}
        self._lines_left = limit.lines
        self._chars_left = limit.size_chars

    def write(self, stream: str, text: str) -> None:
        """One whole line."""
        kept = self._admit(text)
        if kept is not None:
            self._sink.write(stream, storable(kept))

    def feed(self, stream: str, chunk: str) -> None:
        """A piece of text as it was printed. A carriage return starts its line anew, as a terminal would show it."""
        key = (stream, threading.get_ident())
        *whole, rest = (self._partial.pop(key, "") + chunk).split("\n")
        for line in whole:
            self._in_pieces(stream, shown(line))
        if "\r" in rest:
            rest = after_return(rest)
        if len(rest) >= LONGEST:
            self._in_pieces(stream, rest)
        elif rest:
            self._partial[key] = rest

    def flush(self) -> None:
        """Passes on the lines that were never ended."""
        partial, self._partial = self._partial, {}
        for (stream, _), text in partial.items():
            self.write(stream, shown(text))

    def _in_pieces(self, stream: str, line: str) -> None:
        for start in range(0, len(line) or 1, LONGEST):
            self.write(stream, line[start : start + LONGEST])

    def _admit(self, text: str) -> str | None:
        """The text, or what to write instead of it, or None for nothing."""
        with self._lock:
            if self._lines_left < 0:
                return None
            self._lines_left -= 1
            self._chars_left -= len(text)
            if self._lines_left >= 0 and self._chars_left >= 0:
                return text
            self._lines_left = -1
            return TRUNCATED


@dataclass(frozen=True, slots=True)
class Lines:
    """A `LineSink` made of a function."""

    write: Callable[[str, str], None]


def storable(text: str) -> str:
    """Text that any database takes: half characters and NUL are written out."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def shown(line: str) -> str:
    """What a terminal would show of a line with carriage returns in it."""
    return line.rstrip("\r").rpartition("\r")[2]


def after_return(rest: str) -> str:
    """The part of an unfinished line that later text can still complete."""
    head, _, tail = rest.rpartition("\r")
    return tail or head.rpartition("\r")[2] + "\r"
