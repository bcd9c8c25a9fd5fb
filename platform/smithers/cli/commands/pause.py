"""`smithers pause`: nothing new begins in a run."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption
from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.pausing import pause_of, pause_run
from smithers.cli.session import session
from smithers.worker.person import whoami


def command(
    run: RunArgument = None,
    note: Annotated[str | None, typer.Option("--note", help="Why; shown while the run is paused.")] = None,
    by: ByOption = None,
    form: FormOption = Form.plain,
) -> int:
    """Pauses a run: nothing new begins in it until `unpause`.

    Tasks that run come to their end, and their outputs are stored. Timers fire, answers and events are taken, and all
    of them wait for `unpause`, too. `cancel` works as ever. It is stored at once, also when nothing is running.
    """
    with session(form) as here:
        found = here.run(run)
        stored = pause_run(here.store, found, by or whoami(), note)
        pause = pause_of(here.store, here.store.run(found.run_id))
        if here.out.is_json:
            told = pause.wire() if pause else None
            here.out.document({"runId": found.run_id, "paused": told, "repeated": not stored})
        else:
            known = "" if stored or pause is None else f" already, {pause.told}"
            here.out.line(f"⏸ {found.run_id} ({found.workflow}) is paused{known}.")
            here.out.note(f"It goes on with: smithers unpause {found.run_id}")
    return 0
