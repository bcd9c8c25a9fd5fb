"""What a body returns becomes JSON that fits the task's output model, or an error that says what does not fit."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from smithers.errors import InvalidOutput
from smithers.flow.stored import altered, lost_secrets, read_back

SHOWN: Final = 5
"""Problems named in the message; all of them are in the error's data."""
WIDTH: Final = 80
STRICT: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def validated(value: object, model: type[BaseModel], node: str) -> Any:
    """The JSON of an output. Takes an instance of the model, or data that the model accepts.

    Raises `InvalidOutput`, which names each field, what it got and what was expected.
    """
    if isinstance(value, BaseModel) and not isinstance(value, model):
        raise unfit(node, model, [problem("", type(value).__name__, f"a {model.__name__}")])
    try:
        taken = model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise unfit(node, model, [named(one, value, model) for one in found]) from None
    try:
        # What reads it gets it from the log: as UTF-8 JSON, validated by the same model.
        output = taken.model_dump(mode="json")
        text = STRICT.encode(output)
        text.encode()
        changed = altered(taken, read_back(model, output), output)
    except ValidationError as error:
        raise unfit(node, model, [unreadable(one) for one in error.errors(include_url=False)]) from None
    except (ValueError, TypeError) as error:
        raise unfit(node, model, [problem("", str(error), "what JSON can hold")]) from error
    except Exception as error:
        wanted = f"validators that take what they have made ({type(error).__name__}: {error})"
        raise unfit(node, model, [problem("", shown(taken), wanted)]) from error
    if changed:
        raise unfit(node, model, [problem(field, shown(was), stays(now)) for field, (was, now) in changed.items()])
    if lost := lost_secrets(model, text):
        wanted = "no secret: outputs are stored and shown, and who reads it would get stars (give the secret's name)"
        raise unfit(node, model, [problem(field, "a secret", wanted) for field in lost])
    return output


def stays(value: object) -> str:
    return f"a value that stays what it is when it is read: it comes back as {shown(value)} from the model's validators"


def unreadable(error: ErrorDetails) -> dict[str, str]:
    """A value that does not survive the way through JSON, such as NaN or a field that the model only writes."""
    found = problem(".".join(map(str, error["loc"])), shown(error["input"]), error["msg"])
    return {**found, "expected": f"what the model can read back from JSON ({error['msg']})"}


def problem(field: str, got: str, expected: str) -> dict[str, str]:
    return {"field": field, "got": got, "expected": expected}


def named(error: ErrorDetails, value: object, model: type[BaseModel]) -> dict[str, str]:
    field = ".".join(map(str, error["loc"]))
    if not field and value is None:
        return problem("", "None (is a `return` missing?)", f"a {model.__name__}")
    if error["type"] == "missing":
        return problem(field, "nothing", "a value")
    return problem(field, shown(error["input"]), error["msg"].removeprefix("Input should be "))


def shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  an author's __repr__ may fail in any way
        text = "?"
    cut = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return f"{type(value).__name__} {cut}"


def unfit(node: str, model: type[BaseModel], problems: list[dict[str, str]]) -> InvalidOutput:
    lines = [
        f"{one['field'] + ': ' if one['field'] else ''}got {one['got']}, expected {one['expected']}"
        for one in problems[:SHOWN]
    ]
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    message = f"The output of task {node!r} does not fit {model.__name__}: {'; '.join(lines)}{more}."
    return InvalidOutput(message, model=f"{model.__module__}:{model.__qualname__}", errors=problems)
