"""Whether an event's payload fits the model of the wait it is meant for: what a planner asks.

Who sends an event asks the model's JSON Schema (`engine/schema.py`), so that the author's code need not be there. Both
take types as they are written: a text is not a number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import to_json

from smithers.engine.entry import Json
from smithers.engine.fold import given
from smithers.engine.schema import told

LOST: Final = {
    "$too_large": "it was too large to be passed on",
    "$unreadable": "it could not be read as JSON",
}
"""What stands in place of a payload that Temporal could not hand over."""


def unfit(model: type[BaseModel], payload: Any) -> str:
    """Why the payload does not fit the model, by field; empty if it does."""
    payload = given(payload)
    if isinstance(payload, dict) and len(cast("Json", payload)) == 1:
        for mark, why in LOST.items():
            if mark in payload:
                return why
    try:
        model.model_validate_json(to_json(payload), strict=True)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        return told([f"{place or 'the payload'}: {message}" for place, message in found])
    except Exception as error:  # noqa: BLE001  a validator of the author's may raise anything, and must harm no run
        return f"{type(error).__name__}: {error}"
    return ""


@lru_cache(maxsize=256)
def schema_of(model: type[BaseModel]) -> Json:
    """The model's JSON Schema; empty, which everything fits, where that would not say what the model takes."""
    config = model.model_config
    if config.get("populate_by_name") or config.get("validate_by_name"):
        return {}
    try:
        return model.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return {}
