"""`smithers signal`: sends an event to a run."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from smithers.cli.deciding import ByOption
from smithers.cli.inputs import read_json
from smithers.cli.options import FormOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.engine.entry import Json
from smithers.engine.inbox import Sent
from smithers.views.nodes import named, shown_iteration
from smithers.views.signals import Delivered, check_names, deliver, open_events, told_event
from smithers.views.times import iso
from smithers.worker.person import whoami
from smithers.worker.ringing import carried_on, wake


def command(  # shape: parameters: one per option
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning, or `latest`.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the event; of a Signal, its id.")],
    data: Annotated[str, typer.Option("--data", "-d", help="The payload: JSON, @file, or @- for stdin.")] = "{}",
    correlation: Annotated[
        str | None, typer.Option("--correlation", "-c", help="Correlation id, for waits that name one.")
    ] = None,
    by: ByOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Sends an event to a run.

    It is stored at once, also when nothing is running, and taken once, by the first wait that matches; one that comes
    early is kept for it. A worker of the project goes on with the run; with --resume this command becomes one.
    """
    check_names(name, correlation)
    payload = read_json(data, "--data")[0]
    with session(form) as here:
        found = here.run(run)
        sent = Sent(name, payload, correlation, by or whoami(), time.time_ns())
        done = deliver(here.store, found, sent)
        woken = wake(here.project, found.run_id)
        if here.out.is_json and not resume:
            here.out.document(wire(found.run_id, sent, done, woken=woken))
        elif not here.out.is_json:
            here.out.line(f"✉ {name!r} was sent to {found.run_id} by {sent.by}")
            here.out.lines(told(here, found.run_id, done))
            if not resume:
                here.out.note(carried_on(here.project, found.run_id, woken=woken))
        project = here.project
    if not resume:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, found.run_id, form)


def wire(run_id: str, sent: Sent, done: Delivered, *, woken: bool) -> Json:
    waits = [{"nodeId": row.node, "iteration": shown_iteration(row.iteration)} for row in done.waits]
    return {
        "runId": run_id,
        "name": sent.name,
        "correlationId": sent.correlation,
        "by": sent.by,
        "seq": done.entry.seq,
        "at": iso(done.entry.at_ms),
        "repeated": not done.is_new,
        "waiting": waits,
        "woken": woken,
    }


def told(here: Session, run_id: str, done: Delivered) -> list[str]:
    """Who waits for it, or that nobody does, and for what people may have meant instead."""
    if done.waits:
        return [f"  {', '.join(named(row.node, row.iteration) for row in done.waits)} waits for it"]
    others = dict.fromkeys(told_event(row) for row in open_events(here.store.nodes(run_id)))
    hint = f" The run waits for {', '.join(others)}." if others else ""
    return [f"  nobody waits for it now: it is kept for who does.{hint}"]
