"""`smithers why`: what a run waits for, or what it died of."""

from __future__ import annotations

from smithers.cli.options import FormOption, RunArgument
from smithers.cli.output import Form
from smithers.cli.session import session
from smithers.cli.views.codes import code_of
from smithers.cli.views.why import explain
from smithers.cli.views.why_text import told
from smithers.worker.listening import local_workers


def command(run: RunArgument = None, form: FormOption = Form.plain) -> int:
    """Says what a run waits for, or why it failed, and what to do."""
    with session(form) as here:
        found = here.run(run)
        code = code_of(here.project, here.store, found)
        why = explain(here.store, found, has_worker=bool(local_workers(here.project)), code=code)
        if here.out.is_json:
            here.out.document(why.wire())
        else:
            here.out.lines(told(why))
    return 0
