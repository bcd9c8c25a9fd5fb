"""Values of an author's models on their way through the log: as JSON under the names of their fields, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, PydanticUserError
from pydantic.errors import PydanticInvalidForJsonSchema

M = TypeVar("M", bound=BaseModel)
STARS: Final = "**********"
"""What pydantic writes instead of a secret."""


def read_back(model: type[M], data: Any) -> M:
    """A model's value from stored JSON, or from what a person has written.

    What is stored has the names of the fields; people may write an alias, too. By alias alone, which is pydantic's
    default, a stored field that has one would be missing, or silently have its default. Raises `ValidationError`.
    """
    return model.model_validate(data, by_alias=True, by_name=True)


@lru_cache(maxsize=256)
def secrets_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the fields, at any depth, that hold secrets: JSON has only stars of them."""
    try:
        schema = model.model_json_schema(by_alias=False)
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return ()
    return tuple(dict.fromkeys(marked(schema, "")))


def marked(schema: object, name: str) -> list[str]:
    """`name` wherever a schema below it says that the value is only written."""
    if isinstance(schema, list):
        return [found for one in cast("list[object]", schema) for found in marked(one, name)]
    if not isinstance(schema, dict):
        return []
    rules = cast("dict[str, object]", schema)
    if rules.get("writeOnly") is True and rules.get("format") == "password":
        return [name]
    fields = rules.get("properties")
    inner = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
    below = [found for key, one in inner.items() for found in marked(one, key)]
    return below + [found for key, one in rules.items() if key != "properties" for found in marked(one, name)]


def lost_secrets(model: type[BaseModel], text: str) -> tuple[str, ...]:
    """The fields whose secrets are stars in this JSON of a value of the model."""
    return secrets_of(model) if STARS in text else ()
