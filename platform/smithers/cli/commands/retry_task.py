"""`smithers retry-task`: runs a failed task again."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.person import whoami
from smithers.cli.ringing import carried_on, wake
from smithers.cli.session import Session, session
from smithers.cli.views.nodes import find_node, named, shown_iteration
from smithers.engine.entry import EndedRun, Fact, NodeState
from smithers.engine.frame import NodeRow
from smithers.errors import WrongState
from smithers.store.records import Append, Run

AGAIN = ("failed", "cancelled", "skipped")


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning, or `latest`.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="Node id.")],
    iteration: IterationOption = None,
    by: ByOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Runs a failed task of a run again, with all its attempts. A failed run goes on from there.

    What has finished is kept: a task whose output is stored never runs again in its run.
    """
    with session(form) as here:
        found = here.run(run)
        row = find_node(here.store, found.run_id, node, iteration)
        retry(here, found, row, by or whoami())
        woken = wake(here.project, found.run_id)
        project = here.project
        if here.out.is_json and not resume:
            here.out.document(
                {"runId": found.run_id, "nodeId": row.node, "iteration": shown_iteration(row.iteration), "woken": woken}
            )
        elif not here.out.is_json:
            here.out.line(f"↻ {named(row.node, row.iteration)} of {found.run_id} is to run again.")
            if not resume:
                here.out.note(carried_on(project, found.run_id, woken=woken))
    if not resume:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, found.run_id, form)


def retry(here: Session, run: Run, row: NodeRow, by: str) -> None:
    """Raises `WrongState` for a node that is not over, or that has an output."""
    if row.state not in AGAIN:
        raise refused(run, row)
    if run.status in ("finished", "cancelled"):
        raise WrongState(f"Run {run.run_id} is {run.status}, which is final. Only failed and open runs go on.")
    earlier = here.store.entries_by_key(run.run_id, f"retried:{row.node}:{row.iteration}:")
    data = {"node": row.node, "iteration": row.iteration, "by": by}
    needs = NodeState(row.node, row.iteration, AGAIN)
    retried = Fact("retried", f"retried:{row.node}:{row.iteration}:{len(earlier) + 1}", data, needs)
    facts = (retried,)
    if run.status == "failed":
        facts = (Fact("resumed", f"resumed:{run.epoch + 1}", {"by": by}, EndedRun(("failed",))), retried)
    outcomes = here.store.append(Append(run.run_id, facts)).outcomes
    if "stored" not in outcomes[-1:]:
        raise refused(here.store.run(run.run_id), find_node(here.store, run.run_id, row.node, row.iteration))


def refused(run: Run, row: NodeRow) -> WrongState:
    name = named(row.node, row.iteration)
    why = {
        "finished": "it has finished, and its output is kept. To run it anew, start another run",
        "running": "it is running",
        "pending": "it has not run yet",
    }.get(row.state, f"it is {row.state}")
    return WrongState(f"{name} of run {run.run_id} cannot be retried: {why}.", node=row.node, state=row.state)
