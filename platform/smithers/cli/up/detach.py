"""`up --detach`: a worker process in the background, with the environment of this command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from smithers.cli.output import Form, Out
from smithers.cli.quiet import stdout_on_stderr
from smithers.project import Project
from smithers.worker.order import Order
from smithers.worker.prepare import Prepared, prepare


def detached(project: Project, order: Order, form: Form) -> int:
    """Stores the run, starts a `smithers up --resume` of its own session for it, and returns at once."""
    out = Out(form)
    with stdout_on_stderr():
        prepared = prepare(project, order)
    if prepared.code is None:
        out.note(f"Run {prepared.run_id} is over; nothing was started.")
        return 0
    log = project.state / "logs" / f"{prepared.run_id}.log"
    pid = launch(order, prepared, log)
    if out.is_json:
        out.document({"runId": prepared.run_id, "pid": pid, "logFile": str(log)})
    else:
        out.lines([f"runId    {prepared.run_id}", f"pid      {pid}", f"logFile  {log}"])
        out.note(f"smithers logs {prepared.run_id} --follow    smithers why {prepared.run_id}")
    return 0


def launch(order: Order, prepared: Prepared, log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-P", "-m", "smithers.cli.main", "up", "--resume", prepared.run_id, "--stay"]
    words += [str(Path(order.file).absolute())] if order.file else []
    with log.open("ab") as file:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    return process.pid
