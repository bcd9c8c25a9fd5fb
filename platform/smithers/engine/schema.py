"""Checks JSON against a JSON Schema, as far as pydantic writes them: for who has a value, but not the model's code.

Words that are not known here forbid nothing, as JSON Schema itself has it (draft 2020-12, 4.3.1).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from pydantic_core import to_json

from smithers.engine.entry import Json

MOST_TOLD: Final = 5


def told(complaints: list[str]) -> str:
    more = [f"and {len(complaints) - MOST_TOLD} more"] if len(complaints) > MOST_TOLD else []
    return "; ".join([*complaints[:MOST_TOLD], *more])


def complaints(schema: Json, payload: Any) -> list[str]:
    """What the schema has against the value: one text per place, which names the field by dots."""
    try:
        return list(against(schema, payload, "", schema))
    except RecursionError:
        return ["the payload: it is nested too deeply"]


def against(schema: Any, value: Any, place: str, root: Json) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    rules = cast("Json", schema)
    if "$ref" in rules:
        yield from against(resolved(rules["$ref"], root), value, place, root)
    for part in rules.get("allOf", ()):
        yield from against(part, value, place, root)
    choices: list[Any] = rules.get("anyOf") or rules.get("oneOf") or []
    if choices and all(any(against(choice, value, place, root)) for choice in choices):
        wanted = " or ".join(dict.fromkeys(word_of(choice, root) for choice in choices))
        yield f"{named(place)}: {shown(value)} is none of what is wanted: {wanted}"
    if "type" in rules and not is_type(rules["type"], value):
        yield f"{named(place)}: {shown(value)} is not {ARTICLES.get(rules['type'], rules['type'])}"
        return
    yield from against_values(rules, value, place)
    if isinstance(value, dict):
        yield from against_object(rules, cast("Json", value), place, root)
    elif isinstance(value, list):
        yield from against_array(rules, cast("list[Any]", value), place, root)


ARTICLES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def against_values(rules: Json, value: Any, place: str) -> Iterator[str]:
    if "enum" in rules and value not in rules["enum"]:
        yield f"{named(place)}: {shown(value)} is none of {', '.join(map(shown, rules['enum']))}"
    if "const" in rules and value != rules["const"]:
        yield f"{named(place)}: {shown(value)} is not {shown(rules['const'])}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        for word, is_over in LIMITS.items():
            if word in rules and is_over(value, rules[word]):
                yield f"{named(place)}: {shown(value)} breaks {word} {rules[word]}"
    if isinstance(value, str | list):
        size = len(cast("str | list[Any]", value))
        low, high = ("minLength", "maxLength") if isinstance(value, str) else ("minItems", "maxItems")
        if size < rules.get(low, 0) or size > rules.get(high, size):
            wanted = f"{rules.get(low, 0)} to {rules.get(high, 'any')}"
            yield f"{named(place)}: it has the length {size}, wanted is {wanted}"
    if isinstance(value, str) and "pattern" in rules and not matches(rules["pattern"], value):
        yield f"{named(place)}: {shown(value)} does not match {rules['pattern']}"


LIMITS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "minimum": operator.lt,
    "maximum": operator.gt,
    "exclusiveMinimum": operator.le,
    "exclusiveMaximum": operator.ge,
}
"""By word: whether a value breaks it."""


def matches(pattern: str, value: str) -> bool:
    """True for patterns that Python does not understand: pydantic's are those of Rust."""
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def against_object(rules: Json, value: Json, place: str, root: Json) -> Iterator[str]:
    known: Json = rules.get("properties", {})
    for name in rules.get("required", ()):
        if name not in value:
            yield f"{joined(place, name)}: it is missing"
    others: Any = rules.get("additionalProperties", True)
    for name, one in value.items():
        if name in known:
            yield from against(known[name], one, joined(place, name), root)
        elif others is False:
            yield f"{joined(place, name)}: there is no such field, only {', '.join(known) or 'none'}"
        else:
            yield from against(others, one, joined(place, name), root)


def against_array(rules: Json, value: list[Any], place: str, root: Json) -> Iterator[str]:
    first: list[Any] = rules.get("prefixItems", [])
    for at, one in enumerate(value):
        schema: Any = first[at] if at < len(first) else rules.get("items", True)
        yield from against(schema, one, joined(place, str(at)), root)


def is_type(name: Any, value: Any) -> bool:
    match name:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return True


def resolved(reference: str, root: Json) -> Any:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found  # pyright: ignore[reportUnknownVariableType]


def word_of(schema: Any, root: Json) -> str:
    rules: Json = resolved(schema["$ref"], root) if "$ref" in schema else schema
    return str(rules.get("title") or ARTICLES.get(rules.get("type", ""), "something else"))


def joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def named(place: str) -> str:
    return place or "the payload"


def shown(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
