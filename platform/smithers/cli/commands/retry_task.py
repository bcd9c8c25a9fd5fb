"""`smithers retry-task`: runs a task that is over again, with what began after it."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption, one_node
from smithers.cli.inputs import read_input
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.quiet import stdout_on_stderr
from smithers.cli.retrying import retry
from smithers.cli.session import session
from smithers.engine.entry import split_node_key
from smithers.errors import InputError
from smithers.views.nodes import find_node, named, shown_iteration
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake

MOST_NAMED = 8


def command(  # shape: parameters: one per option
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Run id or its beginning, or `latest`.")] = None,
    node: Annotated[str | None, typer.Argument(metavar="NODE", help="Node id.")] = None,
    run_id: Annotated[str | None, typer.Option("--run-id", "-r", help="The same as RUN.")] = None,
    node_id: Annotated[str | None, typer.Option("--node-id", "-n", help="The same as NODE.")] = None,
    iteration: IterationOption = None,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="Only this node; what began after it was over stays as it is.")
    ] = False,
    input: Annotated[
        str | None, typer.Option("--input", "-i", help="Another input for the run from then on, as for `amend`.")
    ] = None,
    by: ByOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Runs a task of a failed or open run again, with all its attempts, and then what began after it was over.

    The outputs of these are taken back; everything else is kept. A failed run goes on from there.
    Tasks get the same idempotency key as before.
    """
    run, node = given(run, node, run_id, node_id)
    other = None if input is None else read_input(input)
    with session(form) as here:
        found = here.run(run)
        row = find_node(here.store, found.run_id, node, iteration)
        with stdout_on_stderr():
            reset = retry(here.store, found, row, by or whoami(), dependents=not no_deps, input=other)
        woken = wake(here.project, found.run_id)
        project = here.project
        more = [named(*split_node_key(key)) for key in reset.dependents]
        if here.out.is_json and not resume:
            about = {"runId": found.run_id, "nodeId": row.node, "iteration": shown_iteration(row.iteration)}
            here.out.document(about | {"resetNodes": [named(row.node, row.iteration), *more], "woken": woken})
        elif not here.out.is_json:
            here.out.line(f"↻ {named(row.node, row.iteration)} of {found.run_id} is to run again{told(more)}.")
            if not resume:
                here.out.note(carried_on(project, found.run_id, woken=woken))
    if not resume:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, found.run_id, form)


def given(run: str | None, node: str | None, run_id: str | None, node_id: str | None) -> tuple[str, str]:
    """The run and the node, each given as an argument or as an option. With `--run-id`, one argument is the node."""
    if run is not None and node is None and run_id is not None and node_id is None:
        run, node = None, run
    if run is not None and run_id is not None and run != run_id:
        raise InputError(f"The run is given twice: {run!r} and --run-id {run_id!r}. Give it once.")
    wanted, task = run or run_id, one_node(node, node_id)
    if wanted is None or task is None:
        raise InputError("Which task of which run? `smithers retry-task RUN NODE`; `latest` is the newest run.")
    return wanted, task


def told(more: list[str]) -> str:
    if not more:
        return ""
    left = f" and {len(more) - MOST_NAMED} more" if len(more) > MOST_NAMED else ""
    return f", and with it {', '.join(more[:MOST_NAMED])}{left}"
