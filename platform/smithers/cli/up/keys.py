"""Answering an approval on the terminal: single keys without waiting for Enter, then a note."""

from __future__ import annotations

import codecs
import os
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.cli.up.model import Seen

YES, NO, NEXT = "yY", "nN", "\t"
ENTER: Final = ("\r", "\n")
BACKSPACE: Final = ("\x7f", "\b")
ESCAPE: Final = ("\x1b", "\x15")
Place = tuple[str, str, int]
"""Node and iteration of an approval, and which time it is asked."""


def place(seen: Seen) -> Place:
    return seen.node, seen.iteration, int((seen.detail or {}).get("ask", 1))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person decided at this terminal."""

    node: str
    iteration: str
    approved: bool
    note: str | None


@dataclass(slots=True)
class Dialogue:
    """A question and what has been typed so far. Pure: characters in, replies out."""

    asked: Place | None = None
    """The approval that is being answered."""
    verdict: bool | None = None
    note: str = ""
    skipped: int = 0
    decided: set[Place] = field(default_factory=set[Place])

    def look(self, waiting: Sequence[Seen]) -> Seen | None:
        """The approval in question, given those that wait now. It is dropped when somebody else has answered."""
        found = [seen for seen in waiting if place(seen) not in self.decided]
        if self.verdict is not None:
            current = [seen for seen in found if place(seen) == self.asked]
            if current:
                return current[0]
            self.verdict, self.note = None, ""
        chosen = found[self.skipped % len(found)] if found else None
        self.asked = place(chosen) if chosen else None
        return chosen

    def typed(self, text: str) -> list[Reply]:
        return [reply for char in text if (reply := self.key(char)) is not None]

    def key(self, char: str) -> Reply | None:
        if self.asked is None:
            return None
        if self.verdict is None:
            self.choose(char)
        elif char in ENTER:
            return self.reply(self.asked, self.verdict)
        elif char in BACKSPACE:
            self.note = self.note[:-1]
        elif char in ESCAPE:
            self.verdict, self.note = None, ""
        elif char.isprintable():
            self.note += char
        return None

    def choose(self, char: str) -> None:
        if char in YES or char in NO:
            self.verdict = char in YES
        elif char == NEXT:
            self.skipped += 1

    def reply(self, asked: Place, verdict: bool) -> Reply:
        node, iteration, _ = asked
        reply = Reply(node, iteration, verdict, self.note.strip() or None)
        self.decided.add(asked)
        self.asked, self.verdict, self.note = None, None, ""
        return reply

    def prompt(self, seen: Seen) -> str:
        """The line that asks."""
        if self.verdict is None:
            return f'⏸ {seen.node}: "{seen.title}"   y approve   n deny'
        verb = "approve" if self.verdict else "deny"
        return f"⏸ {verb} {seen.node} — note, then Enter (Esc: back): {self.note}▏"


def in_foreground(fd: int) -> bool:
    """Whether what is typed on the terminal is for us."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class Keyboard:
    """The terminal's keys, one by one and not echoed. Ctrl-C still interrupts."""

    def __init__(self) -> None:
        self.fd: Final = sys.stdin.fileno()
        self.before: list[Any] | None = None
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    def open(self) -> None:
        """Does nothing in the background: there, touching the terminal would stop us."""
        if not in_foreground(self.fd):
            return
        with suppress(termios.error):
            self.before = termios.tcgetattr(self.fd)
            tty.setcbreak(self.fd, termios.TCSADRAIN)

    def close(self) -> None:
        """Gives the terminal back as it was. Idempotent."""
        if self.before is not None and in_foreground(self.fd):
            with suppress(termios.error):
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)
        self.before = None

    def read(self) -> str:
        try:
            return self.decoder.decode(os.read(self.fd, 1024))
        except OSError:
            return ""
