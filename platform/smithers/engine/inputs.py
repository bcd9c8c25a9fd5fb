"""A run's input, held against what its workflow takes."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from smithers.engine.entry import Json
from smithers.errors import InvalidInput
from smithers.flow.workflow import AnyWorkflow


def check_input(workflow: AnyWorkflow, input: Any) -> Json:
    """The input as it will be stored. Raises `InvalidInput`, which names the field and what is expected there."""
    if not isinstance(input, dict):
        raise InvalidInput(
            f"The input of {workflow.name!r} is a JSON object, not {type(input).__name__}: {input!r:.60}"
        )
    if workflow.input is None:
        return input  # pyright: ignore[reportUnknownVariableType]
    check_keys(workflow, input)  # pyright: ignore[reportUnknownArgumentType]
    try:
        return workflow.input.model_validate(input).model_dump(mode="json")
    except ValidationError as error:
        raise InvalidInput(
            misfit(workflow, error),
            fields=[".".join(map(str, one["loc"])) for one in error.errors()],
        ) from None


def misfit(workflow: AnyWorkflow, error: ValidationError) -> str:
    """What of an input the workflow's model does not take."""
    assert workflow.input is not None
    lines = [
        f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']} (got {one['input']!r:.60})"
        for one in error.errors()
    ]
    return f"The input does not fit {workflow.input.__name__} of workflow {workflow.name!r}: {'; '.join(lines)}."


def check_keys(workflow: AnyWorkflow, input: Json) -> None:
    from difflib import get_close_matches

    assert workflow.input is not None
    fields = workflow.input.model_fields
    known = [*fields, *(field.alias for field in fields.values() if field.alias)]
    if workflow.input.model_config.get("extra") == "allow":
        return
    for key in input:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known) or 'none'}."
            raise InvalidInput(f"Unknown input key {key!r} for workflow {workflow.name!r}: {hint}", fields=[key])
