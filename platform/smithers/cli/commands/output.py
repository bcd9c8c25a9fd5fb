"""`smithers output`: what a run or a node has produced, as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.options import FormOption, IterationOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.views.nodes import find_node
from smithers.views.outputs import outputs_of, required_output


def command(
    run: RunArgument = None,
    node: Annotated[
        str | None, typer.Argument(metavar="[NODE]", help="Only of this node. Default: all, by id.")
    ] = None,
    iteration: IterationOption = None,
    form: FormOption = Form.plain,
) -> int:
    """Prints the output of a run (by node id) or of one node, as JSON in either format."""
    with session(form) as here:
        found = here.run(run)
        if node is not None:
            row = find_node(here.store, found.run_id, node, iteration)
            here.out.document(required_output(here.store, found.run_id, row))
            return 0
        outputs = outputs_of(here.store, found.run_id)
        here.out.document(outputs.by_node)
        if outputs.omitted:
            here.out.note(f"... of the last {len(outputs.by_node)} nodes; {outputs.omitted} before them are left out.")
    return 0
