"""The author's file and line, for errors that point at what was written rather than at what noticed it."""

from __future__ import annotations

import json
import sys
from typing import Final

from smithers.errors import InvalidElement

PACKAGE: Final = __file__.rsplit("flow", 1)[0]
"""Frames in here are ours; the first one outside is the author's."""
LIBRARY: Final = json.__file__.rsplit("json", 1)[0]
"""Where Python keeps its own modules."""
GENERATED: Final = "<string>"
"""The file name of an `__init__` that dataclasses made."""

Where = tuple[str, int]
LINES: Final[dict[Where, Where]] = {}
"""One for each line: thousands of elements may be written in the same."""


def author_line() -> Where:
    """File and line of the nearest caller that is not part of the platform. Costs about a microsecond."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file != GENERATED and not file.startswith(PACKAGE):
            break
        frame = frame.f_back
    line = frame.f_code.co_filename, frame.f_lineno
    return LINES.setdefault(line, line)


def show(where: Where) -> str:
    return f"{where[0]}:{where[1]}"


def invalid(message: str, where: Where | None = None, **data: str) -> InvalidElement:
    """The error for something that makes no sense as it is written, with the author's line: that which calls us now,
    unless `where` names another one. `data` goes with the error."""
    line = show(where or author_line())
    return InvalidElement(f"{message.rstrip('.')} ({line}).", where=line, **data)
