"""`smithers human delegate`: hands a request to somebody else."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption, NoteOption, ScopeOption
from smithers.cli.options import FormOption, IterationOption
from smithers.cli.output import Form
from smithers.cli.requests import NodeArgument, RequestArgument, requested, told_act
from smithers.cli.session import session
from smithers.engine.answer import Answer
from smithers.views.approvals import delegate
from smithers.worker.person import whoami


def command(  # shape: parameters: one per option
    to: Annotated[str, typer.Option("--to", metavar="USER", help="Who is to decide from now on.")],
    request: RequestArgument = None,
    node: NodeArgument = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    note: NoteOption = None,
    scope: ScopeOption = None,
    form: FormOption = Form.plain,
) -> int:
    """Hands a request to another user, who may decide it from now on; who hands it on does not decide it any more.

    Only those may who may decide it themselves. It counts for this time that it is asked, and may be handed on again.
    """
    with session(form) as here:
        run, row = requested(here, request, node, iteration)
        who = Answer(True, by or whoami(), note, scopes=frozenset(scope or ()))
        entry = delegate(here.store, run, row, who, to)
        told_act(here, run, row, entry, (f"→ {who.by} has handed", f"to {to}"))
    return 0
