"""`smithers graph`: the first frame of a workflow, or the present one of a run, without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smithers.cli.inputs import read_input
from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.cli.quiet import stdout_on_stderr
from smithers.cli.session import session
from smithers.cli.views.tree import mermaid, text_tree, with_states
from smithers.engine.entry import Json
from smithers.errors import InputError


def command(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Workflow file.")] = None,
    input: Annotated[str | None, typer.Option("--input", "-i", help="JSON object, @file, or @- for stdin.")] = None,
    run: Annotated[
        str | None, typer.Option("--run-id", "-r", metavar="RUN", help="As it is now in this run, with its outputs.")
    ] = None,
    draw: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False,
    form: FormOption = Form.plain,
) -> int:
    """Shows the tree that a workflow file renders, without running it. The file itself is imported."""
    if file is None and run is None:
        raise InputError("`smithers graph` needs a workflow file, or --run-id RUN.")
    given = read_input(input)
    with stdout_on_stderr():
        tree = first_tree(file, given) if run is None else run_tree(file, run)
    if form is Form.json:
        Out(form).document(tree)
    elif draw:
        Out(form).lines(mermaid(tree))
    else:
        Out(form).lines(text_tree(tree))
    return 0


def first_tree(file: str | None, input: Json) -> Json:
    from smithers.engine.check import graph
    from smithers.worker.code import load

    assert file is not None
    code = load(Path(file))
    return graph(code.workflow, input)


def run_tree(file: str | None, wanted: str) -> Json:
    """The tree as it is mounted now, with each node's state in its latest iteration."""
    from smithers.engine.check import describe
    from smithers.engine.plan import Planner
    from smithers.temporal.task_body import workflow_of
    from smithers.worker.code import load

    with session(Form.plain) as here:
        run = here.run(wanted)
        code = load(Path(file or run.source))
        states = {row.node: row.state for row in here.store.nodes(run.run_id)}
        planner = Planner.build(workflow_of(code, run.options), run.run_id, here.store.entries(run.run_id))
    children = [describe(mount) for mount in planner.tree.root.children]
    return with_states({"kind": "workflow", "id": run.workflow, "runId": run.run_id, "children": children}, states)
