"""Values of an author's models on their way through the log: as JSON under the names of their fields, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError, to_json

M = TypeVar("M", bound=BaseModel)
STARS: Final = "**********"
"""What pydantic writes instead of a secret."""


def read_back(model: type[M], data: Any) -> M:
    """A model's value from stored JSON, or from what a person has written.

    What is stored has the names of the fields; people may write an alias, too. By alias alone, which is pydantic's
    default, a stored field that has one would be missing, or silently have its default. A strict model takes what JSON
    has for times, tuples and enums from JSON only, so it is asked again that way. Raises `ValidationError`.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=True)
    except ValidationError as error:
        try:
            text = to_json(data)
        except PydanticSerializationError:  # a program's input may hold anything
            raise error from None
        return model.model_validate_json(text, by_alias=True, by_name=True)


def altered(taken: BaseModel, back: BaseModel, written: Any) -> dict[str, tuple[Any, Any]]:
    """What is not the same once a value, `written` as JSON, was read `back`: `{field: (was, is)}`.

    Such a model has a validator that changes a value each time it sees it, and a value is seen at every read. An
    instance of a subclass is read with the fields that the model has.
    """
    if type(taken) is not type(back) or back.model_dump(mode="json") == written:
        return {}
    one, other = (value.model_dump(mode="json", exclude_computed_fields=True) for value in (taken, back))
    if is_same(one, other):
        return {}
    if not isinstance(cast("object", one), dict):  # a RootModel
        return {"": (one, other)}
    return {name: (value, other.get(name)) for name, value in one.items() if not is_same(value, other.get(name))}


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values say the same, where lists that only differ in their order do: they may have been sets."""
    if isinstance(one, dict) and isinstance(other, dict):
        mine, yours = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return mine.keys() == yours.keys() and all(is_same(mine[key], yours[key]) for key in mine)
    if isinstance(one, list) and isinstance(other, list):
        left, right = cast("list[Any]", one), cast("list[Any]", other)
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and (
            all(is_same(*pair) for pair in pairs) or sorted(map(repr, left)) == sorted(map(repr, right))
        )
    return one == other or str([one]) == str([other])  # pyright: ignore[reportUnknownArgumentType]  NaN is not equal to itself


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
