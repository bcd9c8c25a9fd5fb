"""What is given as JSON (an input, an event, an answer): its text, or `@file`, or `@-` for standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smithers.engine.answer import refuse_constant
from smithers.engine.entry import Json
from smithers.errors import InputError, InvalidInput


def read_input(given: str | None) -> Json:
    """Raises `InvalidInput`, with the position of what is broken."""
    if given is None:
        return {}
    value, text, where = read_json(given, "--input")
    if not isinstance(value, dict):
        raise InvalidInput(
            f"The input must be a JSON object with named fields, not {named_type(value)}: {text.strip()[:60]!r} in "
            f"{where}. "
            'Write for example --input \'{"name": "Ann"}\'.'
        )
    return value  # pyright: ignore[reportUnknownVariableType]


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`NAME=VALUE`, several times. Raises `InputError` for what is no pair, and for a name that comes twice."""
    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise InputError(
                f"{option} {word!r} is no NAME=VALUE: write for example {option} team=blue.", option=option
            )
        if found.get(name, value) != value:
            raise InputError(f"{option} gives {name!r} twice: {found[name]!r} and {value!r}.", option=option)
        found[name] = value
    return found


def read_json(given: str, option: str, *, hint: str = "") -> tuple[Any, str, str]:
    """Any JSON value, its text, and what to call the place it came from. Raises as `read_input` does.

    `hint` is what to do about text that is no JSON at all.
    """
    text, where = source(given, option)
    try:
        return json.loads(text, parse_constant=refuse_constant), text, where
    except ValueError as error:
        raise broken(text, where, error, hint) from None
    except RecursionError:
        raise InvalidInput(f"The JSON in {where} is nested too deeply.") from None


def source(given: str, option: str) -> tuple[str, str]:
    """The text and what to call the place it came from."""
    if not given.startswith("@"):
        return given, option
    if given == "@-":
        return sys.stdin.read(), "standard input"
    path = Path(given[1:])
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except OSError as error:
        raise InputError(f"{option} {given}: {path} cannot be read: {error.strerror}.", file=str(path)) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{option} {given}: {path} is not UTF-8 text.", file=str(path)) from None


def broken(text: str, where: str, error: ValueError, hint: str = "") -> InvalidInput:
    """Shows the line with a mark below the place."""
    if not isinstance(error, json.JSONDecodeError):
        return InvalidInput(f"The JSON in {where} is broken: {error}.")
    lines = text.splitlines() or [""]
    line = lines[min(error.lineno, len(lines)) - 1]
    start = max(0, error.colno - 41)
    advice = f"\n{hint}" if hint and not error.doc[: error.pos].strip() else ""
    return InvalidInput(
        f"The JSON in {where} is broken at line {error.lineno}, column {error.colno}: {error.msg}.\n"
        f"  {line[start : start + 80]}\n  {' ' * (error.colno - 1 - start)}^{advice}",
        line=error.lineno,
        column=error.colno,
    )


def named_type(value: object) -> str:
    names = {"list": "a list", "str": "a text", "bool": "a truth value", "int": "a number", "float": "a number"}
    return names.get(type(value).__name__, "null")
