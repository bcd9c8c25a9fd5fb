"""What `up` says at the end: the answer on standard output, the rest on standard error."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from smithers.cli.output import Out, OutputClosed
from smithers.cli.present import jsonable, told
from smithers.cli.status import FINISHED, WAITING
from smithers.cli.up.viewer import Outcome
from smithers.cli.views.runs import run_wire
from smithers.cli.views.why import explain
from smithers.cli.views.why_text import told_reason
from smithers.engine.entry import Json
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.views.children import as_seen
from smithers.views.outputs import last_output, outputs_of


def finish(out: Out, project: Project, outcome: Outcome) -> int:
    """The run does not depend on whether anybody reads this."""
    with suppress(OutputClosed):
        if outcome.refused is not None:
            refused(out, outcome)
        elif not outcome.run_id:
            never_began(out, outcome)
        else:
            store = open_store(project, create=False)
            try:
                began(out, store, store.run(outcome.run_id), outcome)
            finally:
                store.close()
    return outcome.status


def refused(out: Out, outcome: Outcome) -> None:
    error = {key: value for key, value in (outcome.refused or {}).items() if key != "status"}
    if out.is_json:
        stays: Json = {"runId": outcome.run_id} if outcome.run_id else {}
        out.whole({"error": jsonable(error), **stays})
        return
    out.note(told(error))
    if outcome.run_id:
        out.note(goes_on(outcome.run_id))


def never_began(out: Out, outcome: Outcome) -> None:
    if outcome.lost:
        message = f"The process that loads the workflow {outcome.lost}, before anything was started."
        error: Json = {"code": "WORKER_DIED", "message": message, "data": {}}
    else:
        error = {"code": "INTERRUPTED", "message": "Interrupted before anything was started.", "data": {}}
    if out.is_json:
        out.whole({"error": error})
    else:
        out.note(told(error))


def goes_on(run_id: str) -> str:
    return f"The run stays. It goes on with: smithers up --resume {run_id}"


def began(out: Out, store: Store, run: Run, outcome: Outcome) -> None:
    if out.is_json:
        out.document(answer(store, run, outcome))
        return
    if outcome.lost:
        out.note(f"! the worker process {outcome.lost}, again and again, and is not started any more.")
        out.note(goes_on(run.run_id))
    elif outcome.signal:
        out.note(goes_on(run.run_id))
    elif outcome.status == FINISHED:
        last = last_output(store, run.run_id)
        if last is not None:
            out.line(text(last))
    else:
        for line in reasons(store, run, outcome):
            out.note(line)


def answer(store: Store, run: Run, outcome: Outcome) -> Json:
    document = run_wire(as_seen(store, run)) | outputs_of(store, run.run_id).wire()
    if outcome.status == WAITING:
        why = explain(store, run, has_worker=False)
        document |= {
            "reasons": [reason.wire() for reason in why.reasons],
            "resume": f"smithers up --resume {run.run_id}",
        }
    if outcome.signal:
        document["signal"] = outcome.signal
    return document | ({"lost": outcome.lost} if outcome.lost else {})


def reasons(store: Store, run: Run, outcome: Outcome) -> list[str]:
    """Why it failed, or what it waits for and what carries it on then."""
    why = explain(store, run, has_worker=outcome.status != WAITING)
    lines = [] if why.reasons else [why.summary]
    for reason in why.reasons:
        if reason.kind != "worker":
            lines += told_reason(reason)
    if outcome.status == WAITING:
        lines.append(
            f"Then `smithers up --resume {run.run_id}` goes on with it, or a `smithers start` in this project."
        )
    return lines


def text(output: Any) -> str:
    """A text as it is, anything else as JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2)
