"""`smithers graph`: the first frame of a workflow, or the present one of a run, without running anything."""

from __future__ import annotations

from dataclasses import replace
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
    input: Annotated[
        str | None, typer.Option("--input", "-i", help="JSON object, @file, or @- for stdin; wins over a run's own.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run-id", "-r", metavar="RUN", help="As it is now in this run, with its outputs.")
    ] = None,
    draw: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False,
    form: FormOption = Form.plain,
) -> int:
    """Shows the tree that a workflow file renders, without running it. The file itself is imported."""
    if file is None and run is None:
        raise InputError("`smithers graph` needs a workflow file, or --run-id RUN.")
    given = None if input is None else read_input(input)
    with stdout_on_stderr():
        tree = first_tree(file, given or {}) if run is None else run_tree(file, run, given)
    if form is Form.json:
        Out(form).document(tree)
    elif draw:
        Out(form).lines(mermaid(tree))
    else:
        Out(form).lines(text_tree(tree))
    return 0


def first_tree(file: str | None, input: Json) -> Json:
    from smithers.engine.preview import preview
    from smithers.worker.code import load

    assert file is not None
    code = load(Path(file))
    return preview(code.workflow, input)


def run_tree(file: str | None, wanted: str, input: Json | None) -> Json:
    """The tree as it is mounted now, with each node's state in its latest iteration. An input that is given stands in
    for the run's own: it shows what the same outputs would have come to."""
    from smithers.engine.check import check_input
    from smithers.engine.plan import Planner
    from smithers.engine.preview import snapshot
    from smithers.temporal.task_body import workflow_of
    from smithers.worker.code import load

    with session(Form.plain) as here:
        run = here.run(wanted)
        code = load(Path(file or run.source))
        states = {row.node: row.state for row in here.store.nodes(run.run_id)}
        first, *later = here.store.entries(run.run_id)
    workflow = workflow_of(code, run.options)
    if input is not None:
        first = replace(first, data=first.data | {"input": check_input(workflow, input)})
    return with_states(snapshot(Planner.build(workflow, run.run_id, [first, *later])), states)
