"""What `approve` and `deny` share."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.output import Form
from smithers.cli.ringing import carried_on, wake
from smithers.cli.session import Session, session
from smithers.cli.times import iso
from smithers.cli.views.approvals import Answer, choose, decide, title_of
from smithers.cli.views.nodes import named, shown_iteration
from smithers.engine.frame import NodeRow
from smithers.errors import InputError, RunNotFound
from smithers.store.records import Run

RunOption = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Run id or its beginning. Default: the newest run.")
]
NodeOption = Annotated[str | None, typer.Argument(metavar="[NODE]", help="Which approval; needed if several wait.")]
NodeFlag = Annotated[str | None, typer.Option("--node", "-n", help="The same as NODE.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who decides. Default: $USER.")]
NoteOption = Annotated[str | None, typer.Option("--note", help="Why; kept with the decision.")]


def settle(
    wanted: tuple[str | None, str | None], iteration: str | None, answer: Answer, form: Form, *, resume: bool
) -> int:
    """Stores an answer, wakes the run, and says what happens next."""
    with session(form) as here:
        run, row = target(here, *wanted, iteration)
        entry = decide(here.store, run, row, answer)
        woken = wake(here.project, run.run_id)
        document = {
            "runId": run.run_id,
            "nodeId": row.node,
            "iteration": shown_iteration(row.iteration),
            "approved": answer.approved,
            "by": answer.by,
            "note": answer.note,
            "at": iso(entry.at_ms),
            "woken": woken,
        }
        if here.out.is_json and not resume:
            here.out.document(document)
        elif not here.out.is_json:
            symbol = "✓" if answer.approved else "✗"
            what = f'{named(row.node, row.iteration)} of {run.run_id} "{title_of(row)}"'
            here.out.line(f"{symbol} {answer.verb} {what} by {answer.by}")
            if not resume:
                here.out.note(carried_on(here.project, run.run_id, woken=woken))
        project = here.project
    if not resume:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, run.run_id, form)


def target(here: Session, run: str | None, node: str | None, iteration: str | None) -> tuple[Run, NodeRow]:
    """The run and the approval in it. One argument that is no run may name a node of the newest run."""
    try:
        found = here.run(run)
    except RunNotFound as error:
        if run is None or node is not None:
            raise
        newest = here.run(None)
        ids = {row.node for row in here.store.nodes(newest.run_id)}
        if run not in ids:
            raise error from None
        found, node = newest, run
    return found, choose(here.store, found, node, iteration)


def one_node(argument: str | None, flag: str | None) -> str | None:
    if argument is not None and flag is not None and argument != flag:
        raise InputError(f"The node is given twice: {argument!r} and --node {flag!r}. Give it once.")
    return argument if argument is not None else flag
