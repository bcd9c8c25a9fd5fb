"""Tables in columns, with colour on a terminal.

Plain text is enough for lists, and importing rich would cost every `smithers ps` 60 ms; `up` uses it for its picture.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from smithers.views.nodes import COLOURS, SYMBOLS

ANSI: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    colour: str = ""


def state_cell(state: str) -> Cell:
    return Cell(state, COLOURS.get(state, ""))


def symbol_cell(state: str) -> Cell:
    return Cell(SYMBOLS.get(state, " "), COLOURS.get(state, ""))


def table(head: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> list[str]:
    """Lines with two spaces between the columns. On a terminal the last column is cut to fit."""
    cells = [[Cell(text, "bold") for text in head], *([as_cell(cell) for cell in row] for row in rows)]
    widths = [max(width(row[at].text) for row in cells) for at in range(len(head))]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - sum(widths[:-1]) - 2 * (len(widths) - 1)
        widths[-1] = max(8, min(widths[-1], room))
    return ["  ".join(drawn(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]


def as_cell(cell: str | Cell) -> Cell:
    return Cell(cell) if isinstance(cell, str) else cell


def drawn(cell: Cell, size: int) -> str:
    text = " ".join(cell.text.split())
    if width(text) > size:
        text = text[: size - 1] + "…"
    padding = " " * (size - width(text))
    return paint(text, cell.colour) + padding


def width(text: str) -> int:
    """Columns on a terminal: letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def paint(text: str, colour: str) -> str:
    """Coloured on a terminal that is not told otherwise (https://no-color.org)."""
    if not colour or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{ANSI[colour]}m{text}\x1b[0m"
