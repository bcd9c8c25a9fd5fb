"""`smithers down`: cancels everything that is open."""

from __future__ import annotations

from smithers.cli.cancelling import cancel_run
from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.errors import WrongState
from smithers.worker.person import whoami


def command(by: ByOption = None, form: FormOption = Form.plain) -> int:
    """Cancels every run of the project that has not ended; their outputs stay."""
    with session(form) as here:
        done: list[dict[str, object]] = []
        for run in here.store.due_runs():
            try:
                done.append(cancel_run(here, run, by or whoami(), "smithers down").wire())
            except WrongState:  # it has ended meanwhile
                continue
            if not here.out.is_json:
                here.out.line(f"⊗ {run.run_id} ({run.workflow}) is to be cancelled.")
        if here.out.is_json:
            here.out.document({"runs": done})
        elif not done:
            here.out.note("No run is open.")
        elif not any(one["woken"] for one in done):
            here.out.note("No worker is running here: `smithers start` in this project carries them out.")
    return 0
