"""Holds a person's answer against the JSON schema of a model, and says which fields do not fit and why.

What gets through is held against the model itself when the answer is taken. A field that the schema does not name is
refused, as for a run's input: it is a slip of the pen, and whoever made it is still there to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from smithers.engine.entry import Json
from smithers.engine.schema import ARTICLES, Manner, Misfit, Walker

ANSWERED: Final = Manner(closed=True, whole=True, nearest=True, deepest=64)


@dataclass(frozen=True, slots=True)
class Problem:
    field: str
    """Path with dots; empty for the whole value."""
    text: str

    def __str__(self) -> str:
        return f"{self.field or 'the answer'}: {self.text}"


def problems(schema: Json, value: Any) -> list[Problem]:
    """What does not fit, in the order of the schema."""
    return [Problem(".".join(one.at), text(one)) for one in Walker(schema, ANSWERED).look(schema, value)]


def text(one: Misfit) -> str:
    rules = one.rules
    match one.word:
        case "required":
            return "is missing"
        case "depth":
            return "is nested too deeply"
        case "additionalProperties":
            known: list[str] = list(rules.get("properties") or ())
            near = get_close_matches(one.at[-1], known, 1)
            hint = f"did you mean {near[0]!r}" if near else f"there are {', '.join(known) or 'none'}"
            return f"is no field of it: {hint}"
        case "type":
            return f"should be {ARTICLES[rules['type']]}, not {told(one.value)}"
        case "enum":
            return f"should be one of {', '.join(map(repr, rules['enum']))}, not {told(one.value)}"
        case word:
            return f"should {SHOULD[word].format(rules[word])}"


SHOULD: Final = {
    "const": "be {!r}",
    "minimum": "be {} or more",
    "maximum": "be {} or less",
    "exclusiveMinimum": "be more than {}",
    "exclusiveMaximum": "be less than {}",
    "minLength": "have at least {} letters",
    "maxLength": "have at most {} letters",
    "pattern": "match {}",
    "minItems": "have at least {} items",
    "maxItems": "have at most {} items",
}


def told(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "null" if value is None else f"{value!r:.60}"
