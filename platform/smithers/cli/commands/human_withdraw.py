"""`smithers human withdraw`: takes an approval back that still has no effect."""

from __future__ import annotations

from smithers.cli.deciding import ByOption, NoteOption
from smithers.cli.options import FormOption, IterationOption
from smithers.cli.output import Form
from smithers.cli.requests import NodeArgument, RequestArgument, requested, told_act
from smithers.cli.session import session
from smithers.engine.answer import Answer
from smithers.views.approvals import withdraw
from smithers.worker.person import whoami


def command(
    request: RequestArgument = None,
    node: NodeArgument = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    note: NoteOption = None,
    form: FormOption = Form.plain,
) -> int:
    """Takes one's approval back while more people must approve. It may be given again, or the request denied.

    Once enough people have approved, the decision has taken effect and stays.
    """
    with session(form) as here:
        run, row = requested(here, request, node, iteration)
        who = Answer(True, by or whoami(), note)
        entry = withdraw(here.store, run, row, who)
        told_act(here, run, row, entry, (f"↷ {who.by} has taken back the approval of", ""))
    return 0
