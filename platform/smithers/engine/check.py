"""What can be said of a workflow before it runs: the first frame, rendered twice, and its shape for people."""

from __future__ import annotations

from dataclasses import asdict

from smithers.engine.asks import label_of
from smithers.engine.entry import Entry, Json
from smithers.engine.frame import Plan
from smithers.engine.inputs import check_input
from smithers.engine.mounts import AspectsGroup, Group, GuardGroup, Leaf, LoopGroup, Mount, PartGroup
from smithers.engine.people import ask_of
from smithers.engine.plan import Planner
from smithers.errors import RenderError
from smithers.flow.event import WaitForEvent
from smithers.flow.subflow import Outcome, Subflow
from smithers.flow.task import Task
from smithers.flow.where import show
from smithers.flow.workflow import AnyWorkflow


def first_planner(workflow: AnyWorkflow, input: Json, options: Json | None = None) -> Planner:
    """A planner at the start of a run that does not exist."""
    data = {"input": check_input(workflow, input), "digest": "", "options": options or {}}
    return Planner.build(workflow, "preview", [Entry(1, "started", "started", data, 0)])


def preflight(workflow: AnyWorkflow, input: Json, options: Json | None = None) -> Plan:
    """The first frame of a run with this input. Raises `InvalidInput` or `RenderError` for whatever can be known now.

    Renders twice: ids that differ between the two would start new work at every render.
    """
    first, second = first_planner(workflow, input, options), first_planner(workflow, input, options)
    ids = list(first.tree.leaves), list(second.tree.leaves)
    if ids[0] != ids[1]:
        odd = next(leaf for key, leaf in first.tree.leaves.items() if key not in second.tree.leaves)
        raise RenderError(
            f"The id {odd.element.id!r} at {show(odd.element.where)} changes at every render: ids must come from the "
            "input or from outputs, not from the clock, random numbers or uuids.",
            code="UNSTABLE_ID",
        )
    plan = first.plan()
    for planner in (first, second):
        planner.tree.fell()
    assert plan is not None
    if not ids[0] and plan.status == "finished":
        raise RenderError(
            f"Workflow {workflow.name!r} at {show(workflow.where)} has an empty tree: return at least one task."
        )
    if plan.status == "failed" and plan.error is not None:
        raise RenderError(str(plan.error["message"]), code=plan.error["code"])
    return plan


def describe(mount: Mount) -> Json:
    match mount:
        case Leaf():
            return describe_leaf(mount)
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
            kind = mount.kind or ("part" if isinstance(mount, PartGroup) else "sequence")
            cap = {"max_concurrency": mount.cap} if mount.parallel and mount.kind else {}
            return {"kind": kind, "id": mount.id, **cap, "children": [describe(child) for child in mount.children]}
        case _:
            return {"kind": "unknown", "id": "", "children": []}


def describe_leaf(leaf: Leaf) -> Json:
    element = leaf.element
    found: Json = {"kind": leaf.kind, "id": element.id, "label": element.label}
    if isinstance(element, Task | WaitForEvent):
        found["output"] = element.output.__name__
    if isinstance(element, Task) and element.needs_approval:
        found["needs_approval"] = True
    if not isinstance(element, Task) and (ask := ask_of(leaf)) is not None:
        found["label"] = label_of(ask)
    if isinstance(element, WaitForEvent):
        found |= {"event": element.event, "correlation": element.correlation_id}
    if element.meta:
        found["meta"] = dict(element.meta)
    if isinstance(element, Outcome):
        found["output"] = element.subflow.output.__name__
    if isinstance(element, Subflow):
        found["workflow"] = element.workflow.name
    return {**found, "depends_on": list(element.upstream())}
