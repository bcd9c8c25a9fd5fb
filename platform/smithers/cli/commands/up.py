"""`smithers up`: runs a workflow file, or goes on with a run."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.argv import LATEST
from smithers.cli.deciding import ByOption
from smithers.cli.inputs import pairs, read_input
from smithers.cli.options import FormOption, PriorityOption, given_options
from smithers.cli.output import Form
from smithers.cli.up.hosting import host
from smithers.cli.up.viewer import Policy
from smithers.engine.state import OPEN_STATUSES
from smithers.errors import InputError
from smithers.project import Project, find_project
from smithers.worker.order import Order
from smithers.worker.person import whoami

UNFINISHED = (*OPEN_STATUSES, "failed")


def command(  # shape: parameters: one per option
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Workflow file.")] = None,
    input: Annotated[str | None, typer.Option("--input", "-i", help="JSON object, @file, or @- for stdin.")] = None,
    run: Annotated[str | None, typer.Option("--run-id", "-r", metavar="ID", help="Id for the new run.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run it in the background.")] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[RUN]", help="Go on with this run; alone: the newest unfinished.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="With --resume: go on with the code as it is now.")] = False,
    pinned: Annotated[
        bool, typer.Option("--pinned", help="With --resume: go on with the run's own code, wherever its file has gone.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave (exit 3) as soon as the run waits.")] = False,
    most: Annotated[
        int | None, typer.Option("--max-concurrency", "-c", min=1, max=1000, help="At most so many tasks at once.")
    ] = None,
    priority: PriorityOption = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="What `ps --tag` finds the run by.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key makes one run, ever.")
    ] = None,
    by: ByOption = None,
    stay: Annotated[bool, typer.Option("--stay", hidden=True)] = False,
    form: FormOption = Form.plain,
) -> int:
    """Runs a workflow file, or goes on with a run.

    Exit status: 0 finished, 1 failed, 2 cancelled, 3 waiting, 4 wrong use or input, 130 interrupted. Ctrl-C stops the
    watching, not the run: it goes on with `up --resume`.
    """
    project = find_project()
    options = given_options(max_in_flight=most, priority=priority)
    if resume is not None:
        refuse_with_resume(input=input, max_concurrency=most, priority=priority, tag=tag or None, idempotency_key=key)
        wanted = run if resume == LATEST and run else resume
        if follow and pinned:
            raise InputError("--follow goes on with the new code, --pinned with the old one: give one of them.")
        run_id = resumed_id(project, wanted)
        order = Order(str(project.root), file or "", run_id, resume=True, onward=stay, follow=follow, pinned=pinned)
    elif file is None:
        raise InputError("`smithers up` needs a workflow file, or --resume RUN.")
    elif follow or pinned:
        option = "--follow" if follow else "--pinned"
        raise InputError(f"{option} is about a run that is there: `smithers up --resume RUN {option}`.")
    else:
        tags = pairs(tag or [], "--tag")
        order = Order(
            str(project.root), file, run or "", read_input(input), options, tags=tags, idempotency_key=key or ""
        )
    order = replaced_by(order, by or whoami())
    if detach:
        from smithers.cli.up.detach import detached

        return detached(project, order, form)
    return host(project, order, form, Policy(leaves_person=not stay, leaves_timer=no_wait))


def replaced_by(order: Order, by: str) -> Order:
    from dataclasses import replace

    return replace(order, by=by)


def refuse_with_resume(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} belongs to a new run; a run that is there keeps what it was started with.")


def resumed_id(project: Project, wanted: str) -> str:
    from smithers.cli.views.runs import find_run
    from smithers.store import open_store

    store = open_store(project, create=False)
    try:
        if wanted != LATEST:
            return find_run(store, wanted).run_id
        newest = store.runs(statuses=UNFINISHED, limit=1)
        if not newest:
            raise InputError("There is no unfinished run here to go on with. `smithers ps` lists the runs.")
        return newest[0].run_id
    finally:
        store.close()
