"""What a run is found by: its tags, the values in its input, the run whose subflow it is, and the one that it goes on
for, each as a row of `marks`.

A value of the input is named by its path: `order.id` is the `id` in the object `order`. Texts, numbers, truth values
and nulls are found, at any depth of objects; what stands in a list is not. A number is found however it is written
(`3`, `3.0`), and so is a text that looks like one. What is long is kept as its hash, so that a row stays small.

A run is found by the input that it has now: `amended` takes the marks of the one before away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final, cast

from smithers.engine.entry import Json
from smithers.store.texts import clean

LONGEST_VALUE: Final = 64
LONGEST_NAME: Final = 200
PARENT: Final = "parent"
"""Name of the mark of a subflow's run: its value is the id of the run above it."""
CHAIN: Final = "chain"
"""Name of the mark of a run that goes on for another one: its value is the id of the run that all began with."""


def marks_of(first: Json) -> list[tuple[str, str]]:
    """Names and values, sorted, of a run whose first entry holds this."""
    tags: dict[str, str] = first.get("tags") or {}
    parent: Json = first.get("parent") or {}
    continues: Json = first.get("continues") or {}
    chain = {(CHAIN, short(continues["root"], LONGEST_NAME))} if continues else set[tuple[str, str]]()
    tagged = {(tag_name(name), short(value)) for name, value in tags.items()}
    above = {(PARENT, short(parent["run"], LONGEST_NAME))} if parent else set[tuple[str, str]]()
    return sorted(
        above | chain | tagged | {(input_name(path), short(told(value))) for path, value in leaves(first["input"])}
    )


def tag_name(name: str) -> str:
    return short(f"tag:{name}", LONGEST_NAME)


def input_name(path: str) -> str:
    return short(f"input:{path}", LONGEST_NAME)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Paths and values of everything in nested objects that is not a list."""
    if isinstance(value, dict):
        for name, one in cast("dict[str, Any]", value).items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    elif not isinstance(value, list | tuple):
        yield path, value


def told(value: object) -> str:
    """A leaf as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, default=str)


def spellings(wanted: str) -> list[str]:
    """What a value that a person writes may be kept as: the text itself, or the number it stands for."""
    try:
        number = json.loads(wanted)
    except ValueError:
        number = wanted
    also = told(number) if isinstance(number, int | float) and not isinstance(number, bool) else wanted
    return [short(one) for one in dict.fromkeys((wanted, also))]


def short(text: str, longest: int = LONGEST_VALUE) -> str:
    text = clean(text)
    if len(text) <= longest:
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
