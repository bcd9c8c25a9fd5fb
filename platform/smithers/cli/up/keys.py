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

from smithers.engine.answer import mode_of
from smithers.views.model import Seen

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
    choice: str | None = None
    """Key of the option, where one is asked for."""


@dataclass(slots=True)
class Dialogue:
    """A question and what has been typed so far. Pure: characters in, replies out."""

    asked: Place | None = None
    """The approval that is being answered."""
    verdict: bool | None = None
    note: str = ""
    choice: str | None = None
    keys: tuple[str, ...] = ()
    """Options of the question, by digit from 1."""
    mode: str = "approve"
    skipped: int = 0
    decided: set[Place] = field(default_factory=set[Place])

    def look(self, waiting: Sequence[Seen]) -> Seen | None:
        """The approval in question, given those that wait now. It is dropped when somebody else has answered."""
        found = [seen for seen in waiting if place(seen) not in self.decided]
        if self.verdict is not None:
            current = [seen for seen in found if place(seen) == self.asked]
            if current:
                return current[0]
            self.back()
        chosen = found[self.skipped % len(found)] if found else None
        self.asked = place(chosen) if chosen else None
        detail = (chosen.detail if chosen else None) or {}
        self.mode = mode_of(detail)
        self.keys = tuple(str(option["key"]) for option in detail.get("options") or ())
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
            self.back()
        elif char.isprintable():
            self.note += char
        return None

    def back(self) -> None:
        self.verdict, self.note, self.choice = None, "", None

    def forget(self) -> None:
        """Questions of another run come from here on, which may be called as those before."""
        self.asked = None
        self.decided.clear()
        self.back()

    def choose(self, char: str) -> None:
        digit = "123456789".find(char)
        if char in NO or (char in YES and self.mode in ("approve", "gate")):
            self.verdict = char in YES
        elif self.mode == "select" and 0 <= digit < len(self.keys):
            self.verdict, self.choice = True, self.keys[digit]
        elif char == NEXT:
            self.skipped += 1

    def reply(self, asked: Place, verdict: bool) -> Reply:
        node, iteration, _ = asked
        reply = Reply(node, iteration, verdict, self.note.strip() or None, self.choice)
        self.decided.add(asked)
        self.asked = None
        self.back()
        return reply

    def prompt(self, seen: Seen) -> str:
        """The line that asks."""
        if self.verdict is None:
            return f'⏸ {seen.node}: "{seen.title}"   {self.ways(seen)}'
        verb = f"choose {self.choice} for" if self.choice else "approve" if self.verdict else "deny"
        return f"⏸ {verb} {seen.node} — note, then Enter (Esc: back): {self.note}▏"

    def ways(self, seen: Seen) -> str:
        """What may be typed. Orders and forms are too long for single keys."""
        match self.mode:
            case "select":
                options = "   ".join(f"{number} {key}" for number, key in enumerate(self.keys[:9], 1))
                return f"{options}   n deny"
            case "rank":
                return f"smithers approve {seen.node} --rank {','.join(self.keys)}   n deny"
            case "human":
                return "`smithers human inbox` says how to answer   n cancel"
            case _:
                return "y approve   n deny"


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
