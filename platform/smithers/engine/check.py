"""What can be said of a workflow before it runs: the first frame, rendered twice, and its shape for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from smithers.engine.asks import label_of
from smithers.engine.entry import Entry, Json
from smithers.engine.frame import Plan
from smithers.engine.mounts import AspectsGroup, Group, GuardGroup, Leaf, LoopGroup, Mount, PartGroup
from smithers.engine.people import ask_of
from smithers.engine.plan import Planner
from smithers.errors import InvalidInput, RenderError
from smithers.flow.event import WaitForEvent
from smithers.flow.task import Task
from smithers.flow.where import show
from smithers.flow.workflow import AnyWorkflow


def first_planner(workflow: AnyWorkflow, input: Json, options: Json | None = None) -> Planner:
    """A planner at the start of a run that does not exist."""
    data = {"input": check_input(workflow, input), "digest": "", "options": options or {}}
    return Planner.build(workflow, "preview", [Entry(1, "started", "started", data, 0)])


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
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']} (got {one['input']!r:.60})"
            for one in error.errors()
        ]
        raise InvalidInput(
            f"The input does not fit {workflow.input.__name__} of workflow {workflow.name!r}: {'; '.join(lines)}.",
            fields=[".".join(map(str, one["loc"])) for one in error.errors()],
        ) from None


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


def preflight(workflow: AnyWorkflow, input: Json) -> Plan:
    """The first frame of a run with this input. Raises `InvalidInput` or `RenderError` for whatever can be known now.

    Renders twice: ids that differ between the two would start new work at every render.
    """
    first, second = first_planner(workflow, input), first_planner(workflow, input)
    ids = list(first.tree.leaves), list(second.tree.leaves)
    if ids[0] != ids[1]:
        odd = next(leaf for key, leaf in first.tree.leaves.items() if key not in second.tree.leaves)
        raise RenderError(
            f"The id {odd.element.id!r} at {show(odd.element.where)} changes at every render: ids must come from the "
            "input or from outputs, not from the clock, random numbers or uuids.",
            code="UNSTABLE_ID",
        )
    plan = first.plan()
    assert plan is not None
    if not first.tree.leaves and plan.status == "finished":
        raise RenderError(
            f"Workflow {workflow.name!r} at {show(workflow.where)} has an empty tree: return at least one task."
        )
    if plan.status == "failed" and plan.error is not None:
        raise RenderError(str(plan.error["message"]), code=plan.error["code"])
    return plan


def graph(workflow: AnyWorkflow, input: Json) -> Json:
    """The first frame as a tree of `{kind, id, label, children}`, without running anything."""
    planner = first_planner(workflow, input)
    planner.plan()
    return {"kind": "workflow", "id": workflow.name, "children": [describe(m) for m in planner.tree.root.children]}


def describe(mount: Mount) -> Json:
    match mount:
        case Leaf():
            element = mount.element
            found: Json = {"kind": mount.kind, "id": element.id, "label": element.label}
            if isinstance(element, Task | WaitForEvent):
                found["output"] = element.output.__name__
            if isinstance(element, Task) and element.needs_approval:
                found["needs_approval"] = True
            if not isinstance(element, Task) and (ask := ask_of(mount)) is not None:
                found["label"] = label_of(ask)
            if isinstance(element, WaitForEvent):
                found |= {"event": element.event, "correlation": element.correlation_id}
            return {**found, "depends_on": list(element.upstream())}
        case LoopGroup():
            body = mount.children[0] if mount.children else None
            children = [describe(child) for child in body.children] if isinstance(body, Group) else []
            return {
                "kind": "loop",
                "id": mount.loop.id,
                "max_iterations": mount.loop.max_iterations,
                "children": children,
            }
        case GuardGroup():
            stage = mount.children[0] if mount.children else None
            children = [describe(child) for child in stage.children] if isinstance(stage, Group) else []
            return {"kind": type(mount.guard).__name__.lower(), "id": mount.guard.name, "children": children}
        case AspectsGroup():
            budgets = {name: getattr(mount.aspects, name) for name in ("token_budget", "cost_budget")}
            found = {name: asdict(budget) for name, budget in budgets.items() if budget is not None}
            children = [describe(child) for child in mount.children]
            return {"kind": "aspects", "id": mount.aspects.name, **found, "children": children}
        case PartGroup() if mount.suspended is not None:
            return {"kind": "part", "id": "", "waits_for": mount.suspended.node, "children": []}
        case Group():
            kind = "part" if isinstance(mount, PartGroup) else "parallel" if mount.parallel else "sequence"
            return {"kind": kind, "id": "", "children": [describe(child) for child in mount.children]}
        case _:
            return {"kind": "unknown", "id": "", "children": []}
