"""Holds a JSON value against the JSON schema of a model, and says which fields do not fit and why.

This is the part of JSON Schema that pydantic writes for models. A keyword that is not known here refuses nothing: what
gets through is held against the model itself when the answer is taken. A field that the schema does not name is
refused, as for a run's input: it is a slip of the pen, and whoever made it is still there to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, cast

from smithers.engine.entry import Json
from smithers.engine.schema import ARTICLES, matches

DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class Problem:
    field: str
    """Path with dots; empty for the whole value."""
    text: str

    def __str__(self) -> str:
        return f"{self.field or 'the answer'}: {self.text}"


def problems(schema: Json, value: Any) -> list[Problem]:
    """What does not fit, in the order of the schema."""
    return list(Form(schema.get("$defs") or {}).look(schema, value, ()))


@dataclass(frozen=True, slots=True)
class Form:
    defs: Json

    def look(self, schema: Json, value: Any, at: tuple[str, ...]) -> Iterator[Problem]:
        if len(at) > DEEPEST:
            yield Problem(".".join(at), "is nested too deeply")
            return
        if "$ref" in schema:
            yield from self.look(self.defs.get(str(schema["$ref"]).rpartition("/")[2]) or {}, value, at)
        for inner in schema.get("allOf") or ():
            yield from self.look(inner, value, at)
        any_of = schema.get("anyOf") or schema.get("oneOf")
        if any_of:
            yield from self.one_of(any_of, value, at)
            return
        kind = schema.get("type")
        if isinstance(kind, str) and not is_a(kind, value):
            yield Problem(".".join(at), f"should be {ARTICLES.get(kind, kind)}, not {told(value)}")
            return
        found = list(limits(schema, value))
        if found:
            yield Problem(".".join(at), found[0])
        elif isinstance(value, dict):
            yield from self.fields(schema, cast("Json", value), at)
        elif isinstance(value, list):
            yield from self.items(schema, cast("list[Any]", value), at)

    def one_of(self, schemas: list[Json], value: Any, at: tuple[str, ...]) -> Iterator[Problem]:
        """Nothing if one fits; else what is wrong with the one that came nearest: of the value's own type, and with the
        fewest problems."""
        tried = [list(self.look(schema, value, at)) for schema in schemas]
        if all(tried):
            yield from min(tried, key=lambda found: (found[0].field == ".".join(at), len(found)))

    def fields(self, schema: Json, value: Json, at: tuple[str, ...]) -> Iterator[Problem]:
        known: Json = schema.get("properties") or {}
        for name, inner in known.items():
            if name in value:
                yield from self.look(inner, value[name], (*at, name))
            elif name in (schema.get("required") or ()):
                yield Problem(".".join((*at, name)), "is missing")
        more = schema.get("additionalProperties", not known)
        for name in value.keys() - known.keys() if more is not True else ():
            if isinstance(more, dict):
                yield from self.look(cast("Json", more), value[name], (*at, name))
            else:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}" if near else f"there are {', '.join(known) or 'none'}"
                yield Problem(".".join((*at, name)), f"is no field of it: {hint}")

    def items(self, schema: Json, value: list[Any], at: tuple[str, ...]) -> Iterator[Problem]:
        first: list[Json] = schema.get("prefixItems") or []
        rest = schema.get("items")
        for index, item in enumerate(value):
            inner = first[index] if index < len(first) else rest
            if isinstance(inner, dict):
                yield from self.look(cast("Json", inner), item, (*at, str(index)))


def is_a(kind: str, value: Any) -> bool:
    """True and False are no numbers, and 3.0 is an integer, as JSON Schema has it."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    return isinstance(value, TYPES.get(kind, object))


TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def told(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "null" if value is None else f"{value!r:.60}"


def limits(schema: Json, value: Any) -> Iterator[str]:
    """What is wrong with the value itself, whatever it holds."""
    if "const" in schema and value != schema["const"]:
        yield f"should be {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"should be one of {', '.join(map(repr, schema['enum']))}, not {told(value)}"
    for keyword, (of, fits, text) in LIMITS.items():
        is_for = keyword in schema and isinstance(value, of) and not isinstance(value, bool)
        if is_for and not fits(value, schema[keyword]):
            yield text.format(schema[keyword])


Fits = Callable[[Any, Any], bool]
NUMBER: Final = (int, float)
LIMITS: Final[dict[str, tuple[type | tuple[type, ...], Fits, str]]] = {
    "minimum": (NUMBER, lambda value, limit: value >= limit, "should be {} or more"),
    "maximum": (NUMBER, lambda value, limit: value <= limit, "should be {} or less"),
    "exclusiveMinimum": (NUMBER, lambda value, limit: value > limit, "should be more than {}"),
    "exclusiveMaximum": (NUMBER, lambda value, limit: value < limit, "should be less than {}"),
    "minLength": (str, lambda value, limit: len(value) >= limit, "should have at least {} letters"),
    "maxLength": (str, lambda value, limit: len(value) <= limit, "should have at most {} letters"),
    "pattern": (str, lambda value, limit: matches(limit, value), "should match {}"),
    "minItems": (list, lambda value, limit: len(value) >= limit, "should have at least {} items"),
    "maxItems": (list, lambda value, limit: len(value) <= limit, "should have at most {} items"),
}
