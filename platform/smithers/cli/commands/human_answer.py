"""`smithers human answer`: does what a run asks a person to do."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from smithers.cli.deciding import ByOption, ScopeOption, settle_in
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.requests import NodeArgument, RequestArgument, requested
from smithers.engine.answer import Answer
from smithers.errors import InputError
from smithers.worker.person import whoami


def command(  # shape: parameters: one per option
    value: Annotated[
        str, typer.Option("--value", metavar="JSON", help="The answer; `-` reads it from standard input.")
    ],
    request: RequestArgument = None,
    node: NodeArgument = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    scope: ScopeOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Answers a human task. What does not fit its form is refused, naming the fields, and may be given again.

    The answer is stored at once, also when nothing is running. A worker of the project goes on with the run.
    """
    answer = Answer(True, by or whoami(), value=read(value), scopes=frozenset(scope or ()))
    return settle_in(lambda here: requested(here, request, node, iteration), answer, form, resume=resume)


def read(text: str) -> Any:
    if text == "-":
        text = sys.stdin.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"--value is not JSON: {error}. A text needs quotes of its own: '\"text\"'.") from None
