"""`--filter-output PATH`: the part of a JSON answer that stands at a path, such as `runs[0].runId`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, cast

OPTION: Final = "--filter-output"
PART: Final = re.compile(r"""(?:^|(?!^)\.)([^.\[\]"]+)|\[(-?\d+)\]|\["([^"]*)"\]""")
Path = tuple[str | int, ...]
WANTED: Final[ContextVar[Path]] = ContextVar("wanted", default=())
"""The path of this command; empty where the whole answer is wanted."""


def taken(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """The words without the option, wherever it stands before `--`, and its value. With it the answer is JSON."""
    end = argv.index("--") if "--" in argv else len(argv)
    words, path = list(argv[:end]), None
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == OPTION:
            path = value if equals else " ".join(words[at + 1 : at + 2])
            del words[at : at + (1 if equals else 2)]
            break
    return ([*words, *argv[end:]], None) if path is None else (["--format=json", *words, *argv[end:]], path)


def parsed(text: str) -> Path:
    """Names with dots between them, `[0]` for an element of a list (`[-1]` is the last one), `["a.b"]` for a name with
    dots in it. Raises `InputError` for anything else."""
    from smithers.errors import InputError

    parts: list[str | int] = []
    at = 0
    while at < len(text) and (found := PART.match(text, at)):
        name, index, quoted = found.groups()
        parts.append(int(index) if index is not None else name if name is not None else quoted)
        at = found.end()
    if at < len(text) or not parts:
        raise InputError(
            f"{OPTION}={text!r} is no path. Write names and positions as in runs[0].runId; a name with dots in it as "
            '["a.b"].',
            path=text,
        )
    return tuple(parts)


def picked(value: Any, path: Path) -> Any:
    """What stands at the path; None where nothing does."""
    for part in path:
        try:
            value = cast("Any", value)[part] if isinstance(value, dict if isinstance(part, str) else list) else None
        except (KeyError, IndexError):
            return None
    return value
