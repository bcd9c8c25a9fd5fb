"""`smithers cache ls`: the outputs that tasks of other runs may take."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.drawing import table
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.engine.entry import Json
from smithers.store.records import CachedOutput
from smithers.views.times import ago, iso, now_ms

WorkflowOption = Annotated[str, typer.Option("--workflow", "-w", metavar="NAME", help="Only of this workflow.")]
NodeOption = Annotated[str, typer.Option("--node", "-n", metavar="NODE", help="Only of the tasks with this id.")]


def command(
    workflow: WorkflowOption = "",
    node: NodeOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 100,
    form: FormOption = Form.plain,
) -> int:
    """Lists what the cache keeps, newest first: where it comes from, and how often it was taken."""
    with session(form) as here:
        kept = here.store.cached_outputs(workflow=workflow, node=node, limit=limit)
        if here.out.is_json:
            here.out.document({"outputs": [wire(one) for one in kept]})
        elif not kept:
            here.out.note("The cache keeps nothing here. A task opts in: Task(..., cache=CachePolicy(by=...)).")
        else:
            here.out.lines(table(("KEY", "WORKFLOW", "NODE", "VERSION", "FROM RUN", "STORED", "TAKEN"), rows(kept)))
    return 0


def rows(kept: list[CachedOutput]) -> list[tuple[str, ...]]:
    now = now_ms()
    return [
        (one.key[:12], one.workflow, one.node, one.version, one.run_id, ago(one.stored_ms, now), f"{one.hits}")
        for one in kept
    ]


def wire(one: CachedOutput) -> Json:
    return {
        "key": one.key,
        "workflow": one.workflow,
        "nodeId": one.node,
        "version": one.version,
        "runId": one.run_id,
        "storedAt": iso(one.stored_ms),
        "hits": one.hits,
        "usedAt": iso(one.used_ms) if one.used_ms else None,
    }
