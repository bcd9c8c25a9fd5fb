"""Holds JSON against a JSON Schema, as far as pydantic writes them: for who has a value, but not the model's code.

Words that are not known here forbid nothing, as JSON Schema itself has it (draft 2020-12, 4.3.1). There is one walker
for all who look at values. Where they are not to be equally strict, they say so by their `Manner`; what does not fit
comes as a `Misfit`, and each has words of its own for it: for events here, for people's answers in `form.py`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic_core import to_json

from smithers.engine.entry import Json

MOST_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Manner:
    """How strictly values are looked at, where there is a choice."""

    closed: bool = False
    """A field that an object's schema does not name is refused, also where the schema is silent about others."""
    whole: bool = False
    """3.0 is a whole number, as JSON Schema has it; else only what is written as one."""
    nearest: bool = False
    """Where none of several schemas fits, what the nearest one has against the value counts; else that none fits."""
    deepest: int = 0
    """Levels; 0 is as many as Python can take, and `RecursionError` beyond."""


@dataclass(frozen=True, slots=True)
class Misfit:
    at: tuple[str, ...]
    """Names of fields and positions in lists; empty for the whole value."""
    word: str
    """Of the schema, the one that does not hold; `depth` for what is nested too deeply."""
    value: Any
    rules: Json
    """The schema that the word stands in."""


@dataclass(frozen=True, slots=True)
class Walker:
    root: Json
    """The whole schema, which references point into."""
    manner: Manner

    def look(self, schema: Any, value: Any, at: tuple[str, ...] = ()) -> Iterator[Misfit]:
        """What does not fit, in the order of the schema. What is wrong itself is not looked into."""
        if not isinstance(schema, dict):
            return
        rules = cast("Json", schema)
        if self.manner.deepest and len(at) > self.manner.deepest:
            yield Misfit(at, "depth", value, rules)
            return
        parts = [resolved(rules["$ref"], self.root)] if "$ref" in rules else []
        for part in (*parts, *(rules.get("allOf") or ())):
            yield from self.look(part, value, at)
        if rules.get("anyOf") or rules.get("oneOf"):
            yield from self.one_of(rules, value, at)
        elif broken := next((word for word in KNOWN if word in rules and not self.holds(word, rules, value)), ""):
            yield Misfit(at, broken, value, rules)
        elif isinstance(value, dict):
            yield from self.fields(rules, cast("Json", value), at)
        elif isinstance(value, list):
            yield from self.items(rules, cast("list[Any]", value), at)

    def holds(self, word: str, rules: Json, value: Any) -> bool:
        if word == "type":
            return is_type(rules["type"], value, whole=self.manner.whole)
        of, fits = WORDS[word]
        is_meant = isinstance(value, of) and not (of is NUMBER and isinstance(value, bool))
        return not is_meant or fits(value, rules[word])

    def one_of(self, rules: Json, value: Any, at: tuple[str, ...]) -> Iterator[Misfit]:
        """The nearest one is of the value's own type, and has the fewest misfits."""
        tried = [list(self.look(schema, value, at)) for schema in choices(rules)]
        if not all(tried):
            return
        if self.manner.nearest:
            yield from min(tried, key=lambda found: (found[0].at == at, len(found)))
        else:
            yield Misfit(at, "anyOf", value, rules)

    def fields(self, rules: Json, value: Json, at: tuple[str, ...]) -> Iterator[Misfit]:
        known: Json = rules.get("properties") or {}
        required: list[str] = rules.get("required") or []
        for name in dict.fromkeys((*known, *required)):
            if name in value:
                yield from self.look(known.get(name), value[name], (*at, name))
            elif name in required:
                yield Misfit((*at, name), "required", value, rules)
        others: Any = rules.get("additionalProperties", not (self.manner.closed and known))
        for name in value:
            if name in known:
                continue
            if others is False:
                yield Misfit((*at, name), "additionalProperties", value[name], rules)
            else:
                yield from self.look(others, value[name], (*at, name))

    def items(self, rules: Json, value: list[Any], at: tuple[str, ...]) -> Iterator[Misfit]:
        first: list[Any] = rules.get("prefixItems") or []
        for index, one in enumerate(value):
            yield from self.look(first[index] if index < len(first) else rules.get("items"), one, (*at, str(index)))


def matches(pattern: str, value: str) -> bool:
    """True for patterns that Python does not understand: pydantic's are those of Rust."""
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


Holds = Callable[[Any, Any], bool]
NUMBER: Final = (int, float)
SIZED: Final = ("minLength", "maxLength", "minItems", "maxItems")
WORDS: Final[dict[str, tuple[type | tuple[type, ...], Holds]]] = {
    "const": (object, operator.eq),
    "enum": (object, lambda value, listed: value in listed),
    "minimum": (NUMBER, operator.ge),
    "maximum": (NUMBER, operator.le),
    "exclusiveMinimum": (NUMBER, operator.gt),
    "exclusiveMaximum": (NUMBER, operator.lt),
    "minLength": (str, lambda value, limit: len(value) >= limit),
    "maxLength": (str, lambda value, limit: len(value) <= limit),
    "pattern": (str, lambda value, pattern: matches(pattern, value)),
    "minItems": (list, lambda value, limit: len(value) >= limit),
    "maxItems": (list, lambda value, limit: len(value) <= limit),
}
"""By word: which values it is about, and whether one holds it."""
KNOWN: Final = ("type", *WORDS)
TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": NUMBER,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
ARTICLES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def is_type(name: Any, value: Any, *, whole: bool) -> bool:
    """True and False are no numbers."""
    if not isinstance(name, str) or name not in TYPES:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if whole and name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def choices(rules: Json) -> list[Any]:
    return rules.get("anyOf") or rules.get("oneOf") or []


def resolved(reference: str, root: Json) -> Any:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found  # pyright: ignore[reportUnknownVariableType]


# Events


def complaints(schema: Json, payload: Any) -> list[str]:
    """What the schema has against an event's payload: one text per place, which names the field by dots.

    Fields that the schema does not name pass, as JSON Schema has it: whoever sends events sends them to others, too.
    """
    try:
        return [
            f"{'.'.join(one.at) or 'the payload'}: {complaint(one, schema)}"
            for one in Walker(schema, SENT).look(schema, payload)
        ]
    except RecursionError:
        return ["the payload: it is nested too deeply"]


SENT: Final = Manner()


def complaint(one: Misfit, root: Json) -> str:
    word, rules = one.word, one.rules
    match word:
        case "required":
            return "it is missing"
        case "additionalProperties":
            return f"there is no such field, only {', '.join(rules.get('properties') or ()) or 'none'}"
        case "anyOf":
            wanted = " or ".join(dict.fromkeys(word_of(choice, root) for choice in choices(rules)))
            return f"{shown(one.value)} is none of what is wanted: {wanted}"
        case "type":
            return f"{shown(one.value)} is not {ARTICLES[rules['type']]}"
        case "enum":
            return f"{shown(one.value)} is none of {', '.join(map(shown, rules['enum']))}"
        case "const":
            return f"{shown(one.value)} is not {shown(rules['const'])}"
        case "pattern":
            return f"{shown(one.value)} does not match {rules['pattern']}"
        case _ if word in SIZED:
            low, high = ("minLength", "maxLength") if isinstance(one.value, str) else ("minItems", "maxItems")
            return f"it has the length {len(one.value)}, wanted is {rules.get(low, 0)} to {rules.get(high, 'any')}"
        case _:
            return f"{shown(one.value)} breaks {word} {rules[word]}"


def word_of(schema: Any, root: Json) -> str:
    rules: Json = resolved(schema["$ref"], root) if "$ref" in schema else schema
    return str(rules.get("title") or ARTICLES.get(rules.get("type", ""), "something else"))


def shown(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def told(complaints: list[str]) -> str:
    more = [f"and {len(complaints) - MOST_TOLD} more"] if len(complaints) > MOST_TOLD else []
    return "; ".join([*complaints[:MOST_TOLD], *more])
