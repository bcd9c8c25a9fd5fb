"""A run's input, held against what its workflow takes."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError

from smithers.engine.entry import Json
from smithers.errors import InvalidInput
from smithers.flow.stored import altered, lost_secrets, read_back
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
        value = read_back(workflow.input, input)
    except ValidationError as error:
        raise InvalidInput(
            unfit_input(workflow, error),
            fields=[".".join(map(str, one["loc"])) for one in error.errors()],
        ) from None
    taken = value.model_dump(mode="json")
    refuse_secrets(workflow, taken)
    refuse_changing(workflow, value, taken)
    return taken


def refuse_changing(workflow: AnyWorkflow, value: BaseModel, taken: Json) -> None:
    """The workflow gets what is stored, through its model once more."""
    assert workflow.input is not None
    try:
        changed = altered(value, read_back(workflow.input, taken), taken)
        said = [f"{field}: {was!r:.60} would become {now!r:.60}" for field, (was, now) in changed.items()]
    except Exception as error:  # noqa: BLE001  a validator of the author's may raise anything
        changed, said = {}, [f"{type(error).__name__}: {error}"]
    if said:
        raise InvalidInput(
            f"The input of workflow {workflow.name!r} cannot be read back as it was taken: {'; '.join(said)}. "
            f"The validators of {workflow.input.__name__} have to take what they have made, and leave it as it is.",
            fields=list(changed),
        )


def refuse_secrets(workflow: AnyWorkflow, taken: Json) -> None:
    assert workflow.input is not None
    if lost := lost_secrets(workflow.input, str(taken)):
        raise InvalidInput(
            f"The input of workflow {workflow.name!r} holds a secret in {', '.join(lost)}: inputs are stored and "
            "shown, so the workflow would get stars instead. Give the secret's name, and let a task look it up.",
            fields=list(lost),
        )


def unfit_input(workflow: AnyWorkflow, error: ValidationError) -> str:
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
    known = [*fields, *(alias for field in fields.values() for alias in aliases(field.validation_alias))]
    if workflow.input.model_config.get("extra") == "allow":
        return
    for key in input:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known) or 'none'}."
            raise InvalidInput(f"Unknown input key {key!r} for workflow {workflow.name!r}: {hint}", fields=[key])


def aliases(alias: str | AliasPath | AliasChoices | None) -> list[str]:
    """The keys of an input that a field may be found under, besides its name."""
    match alias:
        case None:
            return []
        case str():
            return [alias]
        case AliasPath():
            return [str(alias.path[0])]
        case AliasChoices():
            return [name for one in alias.choices for name in aliases(one)]
