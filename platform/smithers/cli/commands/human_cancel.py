"""`smithers human cancel`: takes a request from the people it was for."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import ByOption, ScopeOption, settle_in
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.requests import NodeArgument, RequestArgument, requested
from smithers.engine.answer import Answer
from smithers.worker.person import whoami


def command(  # shape: parameters: one per option
    request: RequestArgument = None,
    node: NodeArgument = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the request.")] = None,
    scope: ScopeOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Cancels a request: a human task fails, an approval is denied. The run goes on as its author has said."""
    answer = Answer(False, by or whoami(), reason, scopes=frozenset(scope or ()))
    return settle_in(lambda here: requested(here, request, node, iteration), answer, form, resume=resume)
