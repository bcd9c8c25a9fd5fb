"""Where a command's answer goes: the answer to stdout, everything else to stderr.

With `--format json` stdout carries one JSON document, or one per line for streams, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TextIO

from smithers.cli.picking import WANTED, picked

COMMANDING: Final = re.compile(
    r"\x1b(?!\[[0-9;]*m)|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, but for those of colours, and marks that turn the direction of writing."""


class Form(StrEnum):
    plain = "plain"
    json = "json"


class OutputClosed(Exception):
    """Nobody reads stdout any more."""


@dataclass(frozen=True, slots=True)
class Out:
    """The two streams of a command."""

    form: Form = Form.plain

    @property
    def is_json(self) -> bool:
        return self.form is Form.json

    def document(self, value: Any) -> None:
        """The whole answer, indented; with `--filter-output` a part of it."""
        self.whole(picked(value, WANTED.get()))

    def whole(self, value: Any) -> None:
        """A document of which nothing is left out, such as an error."""
        write(sys.stdout, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def record(self, value: Any) -> None:
        """One element of a stream, on a line of its own, at once. With `--filter-output` a part of each."""
        part = picked(value, WANTED.get())
        write(sys.stdout, json.dumps(part, ensure_ascii=False, separators=(",", ":")) + "\n")

    def line(self, text: str = "") -> None:
        write(sys.stdout, harmless(text) + "\n")

    def lines(self, lines: list[str]) -> None:
        write(sys.stdout, harmless("".join(f"{line}\n" for line in lines)))

    def note(self, text: str) -> None:
        """For the person, not for what reads the answer."""
        with suppress(OutputClosed):
            write(sys.stderr, harmless(text) + "\n")


def harmless(text: str) -> str:
    """The text with characters that command a terminal made visible; colours, line ends and tabs stay.

    Titles, notes, events, errors and lines of tasks come from elsewhere: they must neither move the cursor over what a
    person is asked, nor turn its letters around.
    """
    return COMMANDING.sub(lambda found: repr(found[0])[1:-1], text)


def write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except BrokenPipeError:
        raise OutputClosed from None
    flush(stream)


def flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def close_quietly(stream: TextIO) -> None:
    """Points a stream that nobody reads to nowhere, so that the interpreter's last flush does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
